using System.Buffers.Binary;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading.Channels;
using DataLayer.Core.Batches;
using DataLayer.Core.Interop;
using DataLayer.Core.Order;
using DataLayer.Protocol.Feeds;
using DataLayer.TestSupport;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Tests.Client.Feeds;

/// <summary>
/// The service's end of feed.md, small and under the test's command: it serves samples that are their own numbers, in order of the index,
/// and can end a connection behind any batch, refuse, or send what it should not.
/// </summary>
internal sealed class ScriptedFeedService : IAsyncDisposable
{
    public const int SampleBytes = 32;
    private readonly TempFolder _folder = new("feed");
    private readonly Socket _listener;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _accepting;
    private readonly List<Task> _serving = [];

    public ScriptedFeedService(int samples = 100)
    {
        Samples = samples;
        SocketPath = _folder.Combine("feed.sock");
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(new UnixDomainSocketEndPoint(SocketPath));
        _listener.Listen();
        _accepting = AcceptAsync();
    }

    public int Samples { get; }

    public string SocketPath { get; }

    public string Server => "unix:" + SocketPath;

    /// <summary>The index that it has now.</summary>
    public byte[] Index { get; set; } = [.. Enumerable.Range(0, 32).Select(i => (byte)i)];

    /// <summary>Behind how many batches each of the next connections ends; none left: at the feed's end.</summary>
    public Queue<int> Ends { get; } = new();

    /// <summary>What the next Opens are refused with.</summary>
    public Queue<FeedFault> Refusals { get; } = new();

    /// <summary>Runs in place of the first batch of a connection, with its socket.</summary>
    public Func<Socket, Task>? InsteadOfBatches { get; set; }

    /// <summary>Whether a slab is replaced by another one each time it is used.</summary>
    public bool ReplacesSlabs { get; set; }

    /// <summary>The batches that were released, by sequence, as they came.</summary>
    public Channel<ulong> Released { get; } = Channel.CreateUnbounded<ulong>();

    /// <summary>How many connections there were.</summary>
    public int Connections { get; private set; }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _accepting;
        await Task.WhenAll(_serving);
        _folder.Dispose();
    }

    /// <summary>Sends a frame as it is.</summary>
    public static void Send(Socket socket, FeedFrameKind kind, byte[] payload, SafeFileHandle? descriptor = null)
    {
        byte[] frame = new byte[FeedFrameHeader.SizeBytes + payload.Length];
        new FeedFrameHeader(kind, payload.Length, descriptor is null ? 0 : 1).Write(frame);
        payload.CopyTo(frame, FeedFrameHeader.SizeBytes);
        int sent = DescriptorSocket.Send(socket, frame, descriptor, out int errno);
        if (sent != frame.Length)
        {
            throw new SocketException(errno);
        }
    }

    /// <summary>The payload of Slab and Batch.</summary>
    public static byte[] Place(uint slab, long lengthBytes)
    {
        byte[] payload = new byte[FeedSlabMessage.SizeBytes];
        new FeedSlabMessage(slab, lengthBytes).Write(payload);
        return payload;
    }

    /// <summary>A batch of a step.</summary>
    public static byte[] MakeBatch(FeedOpen open, FeedStep step, ulong sequence, long cursor)
    {
        int count = step.Count;
        int table = BatchHeader.SizeBytes;
        int classes = Align(table + (count * 16), 64);
        int numbers = Align(classes + (count * 4), 64);
        int keys = Align(numbers + (count * 8), 64);
        byte[][] texts = [.. Enumerable.Range(0, count).Select(i => Encoding.UTF8.GetBytes($"sample/{step[i]}.bin"))];
        int data = Align(keys + ((count + 1) * 4) + texts.Sum(t => t.Length), 4096);
        byte[] batch = new byte[data + (count * SampleBytes)];
        new BatchHeader
        {
            Sequence = sequence,
            Pass = step.Pass,
            Cursor = cursor,
            NextCursor = step.NextCursor,
            SampleCount = count,
            PaddingCount = step.PaddingCount,
            Layout = BatchLayoutKind.Dense,
            Element = FeedElement.Int32,
            RowBytes = SampleBytes,
            TableOffset = table,
            ClassesOffset = classes,
            NumbersOffset = numbers,
            KeysOffset = open.Keys ? keys : 0,
            DataOffset = data,
            DataBytes = count * SampleBytes,
            WaitNanoseconds = 1500,
            AssemblyNanoseconds = 2_000_000,
            MemoryBytes = 3,
            HotBytes = 4,
            OriginBytes = 5,
            PeerBytes = 6,
        }.Write(batch);
        int text = keys + ((count + 1) * 4);
        for (int i = 0; i < count; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(batch.AsSpan(table + (i * 16)), data + (i * SampleBytes));
            BinaryPrimitives.WriteInt64LittleEndian(batch.AsSpan(table + (i * 16) + 8), SampleBytes);
            BinaryPrimitives.WriteInt32LittleEndian(batch.AsSpan(classes + (i * 4)), (int)step[i] % 10);
            BinaryPrimitives.WriteInt64LittleEndian(batch.AsSpan(numbers + (i * 8)), step[i]);
            BinaryPrimitives.WriteInt32LittleEndian(batch.AsSpan(keys + ((i + 1) * 4)), texts[..(i + 1)].Sum(t => t.Length));
            texts[i].CopyTo(batch, text + texts[..i].Sum(t => t.Length));
            MemoryMarshal.Cast<byte, int>(batch.AsSpan(data + (i * SampleBytes), SampleBytes)).Fill((int)step[i]);
        }

        return batch;
    }

    private static int Align(int value, int to) => (value + to - 1) / to * to;

    private async Task AcceptAsync()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                Socket socket = await _listener.AcceptAsync(_stop.Token);
                Connections++;
                _serving.Add(ServeAsync(socket));
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
            {
                return;
            }
        }
    }

    private async Task ServeAsync(Socket socket)
    {
        using (socket)
        {
            try
            {
                await ServeAsync(socket, await ReadOpenAsync(socket));
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException or EndOfStreamException)
            {
                // The client went, or the test is over.
            }
        }
    }

    private async Task<FeedOpen> ReadOpenAsync(Socket socket)
    {
        (FeedFrameKind kind, byte[] payload) = await ReceiveAsync(socket);
        Assert.Equal(FeedFrameKind.Hello, kind);
        Assert.StartsWith("datalayer-csharp/", FeedPayload.Read(payload, FeedJson.Default.FeedHello).Client, StringComparison.Ordinal);
        Send(socket, FeedFrameKind.Welcome, FeedPayload.Write(new FeedWelcome { Service = "0", SharedMemory = true }, FeedJson.Default.FeedWelcome));
        (kind, payload) = await ReceiveAsync(socket);
        Assert.Equal(FeedFrameKind.Open, kind);
        return FeedPayload.Read(payload, FeedJson.Default.FeedOpen);
    }

    private async Task ServeAsync(Socket socket, FeedOpen open)
    {
        string hash = Convert.ToHexStringLower(Index);
        FeedFault? refusal = open.Dataset != "numbers"
            ? new FeedFault { Code = "notFound", Error = $"There is no dataset '{open.Dataset}'. 'datalayer dataset list' shows them." }
            : open.Index is not null && open.Index != hash
                ? new FeedFault { Code = "stale", Error = $"The dataset has index {hash} now." }
                : Refusals.TryDequeue(out FeedFault? next) ? next : null;
        if (refusal is not null)
        {
            Send(socket, FeedFrameKind.Error, FeedPayload.Write(refusal, FeedJson.Default.FeedFault));
            return;
        }

        FeedOpened opened = new()
        {
            Feed = "",
            Index = hash,
            Order = open.Order!,
            Cursor = open.Cursor,
            PassLength = Samples,
            Samples = Samples,
            Kind = "fixed",
            Classes = 10,
            ElementType = "int32",
            Layout = "dense",
            Shape = [2, 4],
            RecordBytes = SampleBytes,
        };
        Send(socket, FeedFrameKind.Opened, FeedPayload.Write(opened, FeedJson.Default.FeedOpened));
        if (InsteadOfBatches is { } instead)
        {
            await instead(socket);
            return;
        }

        LastStep last = open.Last == "pad" ? LastStep.Pad : LastStep.Drop;
        if (last == LastStep.Pad || (open.World ?? 1) * open.Batch <= Samples)
        {
            await StreamAsync(socket, open, new RankSlice(Samples, open.World ?? 1, open.Rank, open.Batch, last));
        }
    }

    private async Task StreamAsync(Socket socket, FeedOpen open, RankSlice slice)
    {
        int most = Ends.TryDequeue(out int end) ? end : int.MaxValue;
        Queue<uint> free = new(Enumerable.Range(0, open.Slabs ?? 4).Select(i => (uint)i));
        Dictionary<ulong, uint> leased = [];
        Dictionary<uint, SharedMapping> slabs = [];
        long cursor = open.Cursor;
        ulong sequence = 0;
        while (true)
        {
            FeedStep step = slice.StepAt(cursor);
            if (open.Passes != 0 && step.Pass >= open.Passes)
            {
                break;
            }

            if ((int)sequence == most)
            {
                return;
            }

            while (free.Count == 0)
            {
                await ReleaseAsync(socket, leased, free);
            }

            uint slab = free.Dequeue();
            byte[] batch = MakeBatch(open, step, sequence, cursor);
            if (!slabs.TryGetValue(slab, out SharedMapping? mapping) || ReplacesSlabs)
            {
                using SafeFileHandle file = SharedMemoryFile.Create("slab", 1 << 16);
                Send(socket, FeedFrameKind.Slab, Place(slab, 1 << 16), file);
                mapping?.Dispose();
                slabs[slab] = mapping = SharedMapping.Map(file, 1 << 16, writable: true);
            }

            Write(mapping, batch);
            Send(socket, FeedFrameKind.Batch, Place(slab, batch.Length));
            leased.Add(sequence++, slab);
            cursor = step.NextCursor;
        }

        Send(socket, FeedFrameKind.End, FeedPayload.Write(new FeedEnd { Cursor = cursor }, FeedJson.Default.FeedEnd));
        while (leased.Count > 0)
        {
            await ReleaseAsync(socket, leased, free);
        }
    }

    private static unsafe void Write(SharedMapping slab, byte[] batch) => batch.CopyTo(new Span<byte>(slab.Pointer, batch.Length));

    private async Task ReleaseAsync(Socket socket, Dictionary<ulong, uint> leased, Queue<uint> free)
    {
        (FeedFrameKind kind, byte[] payload) = await ReceiveAsync(socket);
        Assert.Equal(FeedFrameKind.Release, kind);
        ulong sequence = FeedPayload.ReadSequence(payload);
        Assert.True(leased.Remove(sequence, out uint slab));
        free.Enqueue(slab);
        Released.Writer.TryWrite(sequence);
    }

    private async Task<(FeedFrameKind Kind, byte[] Payload)> ReceiveAsync(Socket socket)
    {
        byte[] header = await FillAsync(socket, FeedFrameHeader.SizeBytes);
        FeedFrameHeader read = FeedFrameHeader.Read(header);
        return (read.Kind, await FillAsync(socket, read.PayloadBytes));
    }

    private async Task<byte[]> FillAsync(Socket socket, int bytes)
    {
        byte[] buffer = new byte[bytes];
        for (int filled = 0; filled < bytes;)
        {
            int count = await socket.ReceiveAsync(buffer.AsMemory(filled), _stop.Token);
            filled += count > 0 ? count : throw new EndOfStreamException();
        }

        return buffer;
    }
}
