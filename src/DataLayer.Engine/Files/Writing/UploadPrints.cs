using System.Globalization;
using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;
using DataLayer.Core.Objects;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files.Writing;

/// <summary>
/// Remembers durably what uploads of an inode may have left in the bucket, so that an object found at the key after a
/// crash can be told from one that somebody else wrote.
/// </summary>
/// <remarks>
/// An upload may reach the bucket, the service die before it hears of it, and the content be replaced before the next
/// attempt: the object is then neither the new content nor the one the tree knows. So before each attempt a print of
/// the bytes (length and the CRC32C of 64 KiB at the start, the middle and the end) is added to an extended attribute
/// of the inode, and removed when an upload is verified. An object with one of the prints is ours and may be
/// replaced, by its ETag.
/// </remarks>
internal sealed class UploadPrints(EngineContext context)
{
    /// <summary>The attribute that holds the prints; not shown to users.</summary>
    public const string Attribute = "trusted.datalayer.uploads";

    private const int SampleBytes = 64 << 10;
    private const int Kept = 16;

    /// <summary>Adds the print of what is about to be uploaded, durably.</summary>
    public async ValueTask<IReadOnlyList<string>> AddAsync(
        InodeId inode, IObjectContent content, CancellationToken cancellationToken)
    {
        string print = await OfAsync(content.LengthBytes, content.ReadExactlyAsync, cancellationToken)
            .ConfigureAwait(false);
        byte[]? stored = await context.Tree.GetXattrAsync(inode, Attribute, cancellationToken).ConfigureAwait(false);
        List<string> prints = stored is null ? []
            : [.. Encoding.ASCII.GetString(stored).Split(' ', StringSplitOptions.RemoveEmptyEntries)];
        if (prints.Contains(print))
        {
            return prints;
        }

        prints.Add(print);
        if (prints.Count > Kept)
        {
            prints.RemoveAt(0);
        }

        await context.Tree.SetXattrAsync(
            inode, Attribute, Encoding.ASCII.GetBytes(string.Join(' ', prints)), XattrCondition.None, cancellationToken)
                .ConfigureAwait(false);
        return prints;
    }

    /// <summary>An upload was verified: what is in the bucket is known again.</summary>
    public async ValueTask ForgetAsync(InodeId inode)
    {
        try
        {
            await context.Tree.RemoveXattrAsync(inode, Attribute, CancellationToken.None).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
        {
            // Removed with its inode, or by another attempt.
        }
    }

    /// <summary>Whether an object has one of the prints.</summary>
    public static async ValueTask<bool> MatchesAsync(
        IReadOnlyList<string> prints, IObjectStore store, ObjectProperties found, CancellationToken cancellationToken)
    {
        string length = found.SizeBytes.ToString(CultureInfo.InvariantCulture) + ":";
        bool possible = false;
        foreach (string print in prints)
        {
            possible |= print.StartsWith(length, StringComparison.Ordinal);
        }

        if (!possible)
        {
            return false;
        }

        string theirs = await OfAsync(
            found.SizeBytes,
            async (offset, destination, token) =>
            {
                ObjectReadResult read = await store.ReadAsync(found.Key, offset, destination, found.ETag, token)
                    .ConfigureAwait(false);
                if (read.BytesRead != destination.Length)
                {
                    throw new DataLayerException(
                        ErrorCode.Stale, $"Object '{found.Key}' changes while it is looked at.");
                }
            },
            cancellationToken).ConfigureAwait(false);
        foreach (string print in prints)
        {
            if (print == theirs)
            {
                return true;
            }
        }

        return false;
    }

    private static async ValueTask<string> OfAsync(
        long lengthBytes, Func<long, Memory<byte>, CancellationToken, ValueTask> read,
        CancellationToken cancellationToken)
    {
        byte[] sample = new byte[Math.Min(SampleBytes, lengthBytes)];
        StringBuilder print = new(lengthBytes.ToString(CultureInfo.InvariantCulture));
        foreach (long offset in (long[])[0, (lengthBytes - sample.Length) / 2, lengthBytes - sample.Length])
        {
            if (sample.Length > 0)
            {
                await read(offset, sample, cancellationToken).ConfigureAwait(false);
            }

            print.Append(CultureInfo.InvariantCulture, $":{Crc32C.Compute(sample):x8}");
        }

        return print.ToString();
    }
}
