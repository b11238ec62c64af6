using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Text;
using Amazon.Runtime;
using Amazon.S3;
using Amazon.S3.Model;
using DataLayer.Core.Batches;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Integrity;
using DataLayer.Csi.Messages;
using DataLayer.Engine.Tiering.Packs;
using DataLayer.Engine.Tiering.Profiles;
using DataLayer.Metadata.Rows;
using DataLayer.Protocol.Feeds;
using DataLayer.Protocol.Keeper;
using DataLayer.Server.Configuration;
using DataLayer.Storage.Objects.S3;
using DataLayer.Storage.Stripes;
using Google.Protobuf;
using Xunit.Abstractions;

namespace DataLayer.Tests.Fuzz;

/// <summary>
/// Bytes from disk, from the wire and from an origin, changed at random: each reader takes them or refuses them in its own words, and
/// takes no more memory than its input can be worth. DATALAYER_FUZZ_CASES says how many cases (default 20,000), DATALAYER_FUZZ_SEED
/// from where.
/// </summary>
public sealed class MutationTests(ITestOutputHelper output)
{
    private const long BaseBytes = 2 << 20;
    private const long BytesPerByte = 256;
    private static readonly ContentId _content = new(new InodeId(7), 3);

    [Fact]
    public void No_changed_bytes_crash_a_reader_or_take_its_memory()
    {
        int cases = Number("DATALAYER_FUZZ_CASES", 20_000);
        int seed = Number("DATALAYER_FUZZ_SEED", 4711);
        Reader[] readers = [.. Readers()];
        int shares = readers.Sum(r => r.Share);
        long total = 0;
        foreach (Reader reader in readers)
        {
            int count = Math.Max(1, (int)((long)cases * reader.Share / shares));
            (int refused, long most) = Run(reader, count, seed);
            total += count;
            output.WriteLine(string.Create(
                CultureInfo.InvariantCulture, $"{reader.Name}: {count} cases, {refused} refused, at most {most} bytes allocated by one"));
        }

        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{total} cases in all"));
        Assert.True(total >= cases * 0.99, $"{total}");
    }

    private static (int Refused, long Most) Run(Reader reader, int count, int seed)
    {
        Random random = new(HashCode.Combine(seed, reader.Share, reader.Name.Length));
        int refused = 0;
        long most = 0;
        if (!reader.MayRefuseSeed)
        {
            reader.Read(reader.Seeds[0]); // Warm, and the seed itself is good.
        }

        for (int i = 0; i < count; i++)
        {
            byte[] bytes = Mutate(reader, random);
            long before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                reader.Read(bytes);
            }
            catch (Exception e) when (reader.IsRefusal(e))
            {
                refused++;
            }
            catch (Exception e)
            {
                Assert.Fail($"{reader.Name}, seed {seed}, case {i} ({Convert.ToHexString(bytes.AsSpan(0, Math.Min(512, bytes.Length)))}): {e}");
            }

            long taken = GC.GetAllocatedBytesForCurrentThread() - before;
            most = Math.Max(most, taken);
            Assert.True(
                taken <= BaseBytes + (BytesPerByte * bytes.Length),
                $"{reader.Name}, seed {seed}, case {i}: {taken} bytes for {bytes.Length} ({Convert.ToHexString(bytes.AsSpan(0, Math.Min(512, bytes.Length)))})");
        }

        return (refused, most);
    }

    private static byte[] Mutate(Reader reader, Random random)
    {
        List<byte> bytes = [.. reader.Seeds[random.Next(reader.Seeds.Length)]];
        Span<byte> number = stackalloc byte[8];
        for (int changes = random.Next(1, 6); changes > 0; changes--)
        {
            int at = bytes.Count == 0 ? 0 : random.Next(bytes.Count);
            switch (random.Next(8))
            {
                case 0 when bytes.Count > 0:
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1 when bytes.Count > 0:
                    bytes[at] = (byte)random.Next(256);
                    break;
                case 2 when bytes.Count > 0:
                    bytes.RemoveRange(at, random.Next(Math.Min(64, bytes.Count - at) + 1));
                    break;
                case 3 when bytes.Count < 1 << 16:
                    bytes.InsertRange(at, bytes.GetRange(at, random.Next(Math.Min(256, bytes.Count - at) + 1)));
                    break;
                case 4 when bytes.Count >= at + 4:
                    long extreme = random.Next(8) switch
                    {
                        0 => -1,
                        1 => int.MaxValue,
                        2 => int.MinValue,
                        3 => long.MaxValue,
                        4 => long.MinValue,
                        5 => 0,
                        6 => bytes.Count + random.Next(-2, 3),
                        _ => 1L << random.Next(63),
                    };
                    BinaryPrimitives.WriteInt64LittleEndian(number, extreme);
                    int width = Math.Min(random.Next(2) == 0 ? 4 : 8, bytes.Count - at);
                    for (int i = 0; i < width; i++)
                    {
                        bytes[at + i] = number[i];
                    }

                    break;
                case 5:
                    bytes.RemoveRange(at, bytes.Count - at);
                    break;
                case 6:
                    byte[] other = reader.Seeds[random.Next(reader.Seeds.Length)];
                    bytes.InsertRange(at, other.AsSpan(random.Next(other.Length)));
                    break;
                default:
                    bytes.InsertRange(at, Encoding.UTF8.GetBytes(_words[random.Next(_words.Length)]));
                    break;
            }
        }

        byte[] made = [.. bytes];
        if (reader.LengthBytes > 0)
        {
            Array.Resize(ref made, reader.LengthBytes);
        }

        // Half of them get past the checksum.
        if (reader.Seal is not null && random.Next(2) == 0)
        {
            reader.Seal(made);
        }

        return made;
    }

    private static readonly string[] _words =
    [
        "99999999999999999999", "-1", "1e400", "NaN", "null", "[[[[[[[[", "{\"a\":{\"a\":{\"a\":", "\\ud800", "\0", "<!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">]>",
        "&a;&a;&a;", "<![CDATA[", "]]>", "<Key>", "</Contents>", "\"\"", ",", ":", "\u00ff\u00ff\u00ff", "true",
    ];

    private static IEnumerable<Reader> Readers() => [.. OfTheWire(), .. OfTheDisk(), .. OfOthers()];

    private static IEnumerable<Reader> OfTheWire()
    {
        byte[] feedFrame = [.. "DLFD"u8, 16, 0, 0, 0, 1, 6, 0, 0];
        yield return new Reader("feed frame", 8, b => FeedFrameHeader.Read(Whole(b, 12), longBatches: true), [feedFrame]);
        yield return new Reader("feed slab message", 4, b => FeedSlabMessage.Read(b), [[1, 0, 0, 0, 0, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0]]);
        yield return new Reader(
            "feed Open", 6, b => FeedPayload.Read(b, FeedJson.Default.FeedOpen),
            [
                """{"dataset":"d","batch":32,"order":"shuffle;part=all;seed=1","rank":0,"world":2,"passes":1,"slabs":4}"""u8.ToArray(),
                """{"dataset":"d","batch":8,"layout":"dense","cast":{"to":"float32","scale":[0.5],"offset":[1]},"keys":true,"cursor":99}"""u8.ToArray(),
            ]);
        yield return new Reader("feed Hello", 4, b => FeedPayload.Read(b, FeedJson.Default.FeedHello), ["""{"client":"c/1","token":"dl_0"}"""u8.ToArray()]);
        byte[] keeperFrame = new byte[KeeperFrameHeader.SizeBytes];
        new KeeperFrameHeader(KeeperFrameKind.Hello, 100, 0).Write(keeperFrame);
        yield return new Reader("keeper frame", 8, b => KeeperFrameHeader.Read(Whole(b, KeeperFrameHeader.SizeBytes)), [keeperFrame]);
        yield return new Reader(
            "keeper Hello", 4, b => KeeperPayload.Read(b, KeeperJson.Default.KeeperHello),
            ["""{"mountId":"0123456789abcdef","treePath":"/a","mountPoint":"/mnt/a","readOnly":true}"""u8.ToArray()]);
    }

    private static IEnumerable<Reader> OfTheDisk()
    {
        byte[] record = new byte[SegmentRecord.RecordBytes(100)];
        SegmentRecord.Seal(record, _content, 5, 4096, 100);
        yield return new Reader(
            "segment record", 8,
            b => SegmentRecord.TryReadHeader(Whole(b, SegmentRecord.HeaderBytes), 5, 4096, out _, out _), [record]);
        byte[] book = new byte[SideBook.PageBytes];
        ColumnId column = new(_content, 1, 0);
        new SideBookSeed().Write(book, column);
        yield return new Reader("stripe side book", 8, b => SideBook.Decode(b, column, 0), [book])
        {
            LengthBytes = SideBook.PageBytes,
            Seal = b => BinaryPrimitives.WriteUInt32LittleEndian(b.AsSpan(4), Crc32C.Compute(b.AsSpan(8, 504))),
        };
        yield return new Reader("batch header", 8, b => BatchHeader.Read(b, b.Length), [Batch()]);
        yield return new Reader("residency", 4, b => ResidencyColumn.Decode(b, 5L << 30), [[1, 255, 255, 0, 0, 1], [0, 0, 0, 0], [2, 1, 2, 3, 4]]);
        yield return new Reader(
            "pack index", 6, b => PackIndex.Parse(b),
            [
                """
                {"format":"datalayer-pack-index/1","pack":"p.tar","eTag":"\"x\"","sizeBytes":10240,"members":[
                {"name":"a","offsetBytes":512,"sizeBytes":100,"crc32C":"00000000","modifiedSeconds":1}]}
                """u8.ToArray(),
            ])
        {
            MayRefuseSeed = true,
        };
        yield return new Reader("access profile", 6, b => ProfileFormat.Read(b), [ProfileFormat.Write(Profile())])
        {
            Seal = b =>
            {
                if (b.Length > 4)
                {
                    BinaryPrimitives.WriteUInt32LittleEndian(b.AsSpan(b.Length - 4), Crc32C.Append(0, b.AsSpan(0, b.Length - 4)));
                }
            },
        };
        yield return new Reader(
            "configuration", 2, b => ConfigurationSource.Parse(Encoding.UTF8.GetString(b), "fuzz.yaml", []),
            ["listen:\n  address: 127.0.0.1:1\npools:\n  - {name: a, directories: [/t0, \"/t1\"]}\nlogging: {level: 'debug'}\n"u8.ToArray()]);
    }

    private static IEnumerable<Reader> OfOthers()
    {
        CreateVolumeRequest create = Csi.RunningDriver.CreateRequest("pvc-1", 1 << 30);
        create.Parameters["profile"] = "small";
        create.VolumeContentSource = new() { Snapshot = new() { SnapshotId = "s" } };
        NodeStageVolumeRequest stage = new() { VolumeId = "v", StagingTargetPath = "/a/b", VolumeCapability = Csi.RunningDriver.Capability() };
        stage.Secrets["k"] = "v";
        yield return new Reader("protobuf CreateVolume", 8, b => CreateVolumeRequest.Parser.ParseFrom(b), [create.ToByteArray()]);
        yield return new Reader("protobuf NodeStageVolume", 8, b => NodeStageVolumeRequest.Parser.ParseFrom(b), [stage.ToByteArray()]);
        XmlServer server = new();
        yield return new Reader("S3 XML", 1, server.Read,
        [
            """
            <?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>b</Name><Prefix></Prefix>
            <KeyCount>2</KeyCount><MaxKeys>1000</MaxKeys><IsTruncated>true</IsTruncated><NextContinuationToken>t</NextContinuationToken>
            <Contents><Key>a/b</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"x"</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>
            <CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes></ListBucketResult>
            """u8.ToArray(),
        ]);
    }

    private static ReadOnlySpan<byte> Whole(byte[] bytes, int length)
    {
        // Readers of heads get as many bytes as a head has: that is their callers' promise.
        byte[] whole = bytes;
        Array.Resize(ref whole, length);
        return whole;
    }

    private static byte[] Batch()
    {
        byte[] batch = new byte[8192];
        "DLBATCH1"u8.CopyTo(batch);
        int at = 8;
        foreach (ulong value in new ulong[] { 0, 0, 0, 2 })
        {
            BinaryPrimitives.WriteUInt64LittleEndian(batch.AsSpan(at), value);
            at += 8;
        }

        foreach (uint value in new uint[] { 2, 0, 1, 1 })
        {
            BinaryPrimitives.WriteUInt32LittleEndian(batch.AsSpan(at), value);
            at += 4;
        }

        foreach (ulong value in new ulong[] { 4, 256, 320, 384, 0, 4096, 8, 1, 1, 1, 2, 3, 4 })
        {
            BinaryPrimitives.WriteUInt64LittleEndian(batch.AsSpan(at), value);
            at += 8;
        }

        BinaryPrimitives.WriteUInt64LittleEndian(batch.AsSpan(256), 4096);
        BinaryPrimitives.WriteUInt64LittleEndian(batch.AsSpan(264), 4);
        BinaryPrimitives.WriteUInt64LittleEndian(batch.AsSpan(272), 4100);
        BinaryPrimitives.WriteUInt64LittleEndian(batch.AsSpan(280), 4);
        return batch[..4104];
    }

    private static AccessProfile Profile() => new()
    {
        Path = "/a",
        RunCount = 1,
        RecordedAt = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero),
        Duration = TimeSpan.FromSeconds(9),
        Files = [new ProfileFile("/a/x", new InodeId(7), 1 << 21), new ProfileFile("/a/y", new InodeId(8), 5)],
        Entries = [new ProfileEntry(0, 0, 1, 1, TimeSpan.FromSeconds(1)), new ProfileEntry(1, 0, 1, 1, TimeSpan.FromSeconds(2))],
    };

    private static int Number(string variable, int fallback) =>
        int.TryParse(Environment.GetEnvironmentVariable(variable), NumberStyles.None, CultureInfo.InvariantCulture, out int given) ? given : fallback;

    private sealed record Reader(string Name, int Share, Action<byte[]> Read, byte[][] Seeds)
    {
        public int LengthBytes { get; init; }

        public bool MayRefuseSeed { get; init; }

        public Action<byte[]>? Seal { get; init; }

        public bool IsRefusal(Exception e) => e is DataLayerException { Code: not ErrorCode.Internal } or InvalidProtocolBufferException;
    }

    /// <summary>A good sector of a side book, as it lies on a target.</summary>
    private sealed class SideBookSeed
    {
        public void Write(byte[] block, ColumnId column)
        {
            Span<byte> sector = block.AsSpan(0, 512);
            BinaryPrimitives.WriteUInt32LittleEndian(sector, 0x31_53_4C_44);
            BinaryPrimitives.WriteInt64LittleEndian(sector[8..], column.Content.Inode.Value);
            BinaryPrimitives.WriteUInt32LittleEndian(sector[16..], column.Content.Generation);
            BinaryPrimitives.WriteInt32LittleEndian(sector[20..], column.Column);
            BinaryPrimitives.WriteInt32LittleEndian(sector[28..], 1);
            BinaryPrimitives.WriteInt64LittleEndian(sector[32..], 1);
            BinaryPrimitives.WriteUInt32LittleEndian(sector[4..], Crc32C.Compute(sector[8..]));
            Assert.NotNull(SideBook.Decode(block, column, 0));
        }
    }

    /// <summary>The S3 client of the service over answers that a test gives it, without a network.</summary>
    private sealed class XmlServer : HttpMessageHandler
    {
        private readonly AmazonS3Client _client;
        private byte[] _answer = [];
        private int _turn;

        public XmlServer() => _client = new AmazonS3Client(
            new BasicAWSCredentials("a", "b"),
            new AmazonS3Config
            {
                ServiceURL = "http://127.0.0.1:1",
                ForcePathStyle = true,
                MaxErrorRetry = 0,
                HttpClientFactory = new Factory(new HttpClient(this)),
            });

        /// <summary>The answer to a listing, to a deletion of several, or an error's.</summary>
        public void Read(byte[] xml)
        {
            _answer = xml;
            try
            {
                if (++_turn % 4 == 1)
                {
                    _ = _client.InitiateMultipartUploadAsync(new InitiateMultipartUploadRequest { BucketName = "bucket", Key = "k" }).GetAwaiter().GetResult();
                }
                else
                {
                    _ = _client.ListObjectsV2Async(new ListObjectsV2Request { BucketName = "bucket" }).GetAwaiter().GetResult();
                }
            }
            catch (Exception e)
            {
                throw S3Fault.From(e, "LIST s3://b/", new Uri("http://127.0.0.1:1"));
            }
        }

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            HttpResponseMessage answer = new(_turn % 4 == 2 ? HttpStatusCode.BadRequest : HttpStatusCode.OK)
            {
                Content = new ByteArrayContent(_answer),
                RequestMessage = request,
            };
            answer.Content.Headers.TryAddWithoutValidation("Content-Type", "application/xml");
            return Task.FromResult(answer);
        }

        private sealed class Factory(HttpClient client) : HttpClientFactory
        {
            public override HttpClient CreateHttpClient(IClientConfig clientConfig) => client;

            public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

            public override bool DisposeHttpClientsAfterUse(IClientConfig clientConfig) => false;
        }
    }
}
