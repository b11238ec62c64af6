using System.Globalization;
using Amazon.S3;
using Amazon.S3.Model;
using DataLayer.Core.Integrity;

namespace DataLayer.Workloads.Mounts.Peers;

/// <summary>Objects that a plain SDK client put into a bucket, and what a reader of each must find.</summary>
/// <param name="Names">Keys, relative to the bucket, in the order of reading.</param>
/// <param name="Sums">CRC-32C of each.</param>
/// <param name="Bytes">Bytes of all together.</param>
internal sealed record PeerFiles(IReadOnlyList<string> Names, IReadOnlyList<uint> Sums, long Bytes)
{
    private const int PartBytes = 8 << 20;

    /// <summary>Puts <paramref name="count"/> objects of equal size below a prefix, spread over some folders.</summary>
    public static async Task<PeerFiles> PutAsync(
        AmazonS3Client client, string bucket, string prefix, int count, int folders, int bytes, CancellationToken stop)
    {
        string[] names = new string[count];
        uint[] sums = new uint[count];
        int inFolder = (count + folders - 1) / folders;
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = stop }, async (i, token) =>
        {
            names[i] = string.Create(CultureInfo.InvariantCulture, $"{prefix}/{i / inFolder:D2}/f{i:D5}");
            byte[] content = new byte[bytes];
            new Random(i + 1).NextBytes(content);
            sums[i] = Crc32C.Compute(content);
            await PutAsync(client, bucket, names[i], content, token);
        });
        return new PeerFiles(names, sums, (long)count * bytes);
    }

    private static async Task PutAsync(AmazonS3Client client, string bucket, string key, byte[] content, CancellationToken stop)
    {
        if (content.Length <= PartBytes)
        {
            await client.PutObjectAsync(
                new PutObjectRequest { BucketName = bucket, Key = key, InputStream = new MemoryStream(content) }, stop);
            return;
        }

        InitiateMultipartUploadResponse upload = await client.InitiateMultipartUploadAsync(bucket, key, stop);
        List<PartETag> parts = [];
        for (int at = 0; at < content.Length; at += PartBytes)
        {
            UploadPartResponse sent = await client.UploadPartAsync(
                new UploadPartRequest
                {
                    BucketName = bucket,
                    Key = key,
                    UploadId = upload.UploadId,
                    PartNumber = parts.Count + 1,
                    InputStream = new MemoryStream(content, at, Math.Min(PartBytes, content.Length - at)),
                },
                stop);
            parts.Add(new PartETag(parts.Count + 1, sent.ETag));
        }

        await client.CompleteMultipartUploadAsync(
            new CompleteMultipartUploadRequest { BucketName = bucket, Key = key, UploadId = upload.UploadId, PartETags = parts }, stop);
    }
}
