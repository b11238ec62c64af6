using DataLayer.Core.Objects;
using DataLayer.Engine.Files.State;
using DataLayer.Storage.Objects;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// One transfer of an extent of a content from the hot or the cold tier into a buffer, shared by all readers that
/// want bytes of it (single flight) and kept while somebody holds it: the transfer itself, waiting readers, a
/// readahead stream, a recall.
/// </summary>
/// <remarks>
/// Life: made and listed in its content under the content's lock → runs → <see cref="Succeed"/> or
/// <see cref="Fail"/> → the last <see cref="Release"/> unlists it and returns the buffer. A reader that gives up
/// releases and leaves the transfer to the others.
/// </remarks>
internal sealed class BlockFetch(
    ContentState content, long offsetBytes, int lengthBytes, long epoch, bool isCold, bool isReadahead,
    TransferBuffer buffer,
    FetchContext owner)
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly OriginUse? _origin = isCold ? OriginUse.Current : null;
    private readonly TaskCompletionSource _settled = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private int _references = 1;
    private volatile bool _failed;

    public ContentState Content { get; } = content;

    public long OffsetBytes { get; } = offsetBytes;

    public int LengthBytes { get; } = lengthBytes;

    public long EndBytes => OffsetBytes + LengthBytes;

    /// <summary>The content's write epoch when the transfer began.</summary>
    public long Epoch { get; } = epoch;

    public bool IsCold { get; } = isCold;

    /// <summary>Fetched ahead of any reader; its buffer counts against the readahead budget.</summary>
    public bool IsReadahead { get; } = isReadahead;

    /// <summary>Whether its buffer counts against the readahead budget. Set before it runs.</summary>
    public bool IsReserved { get; set; } = isReadahead;

    /// <summary>
    /// Made by a recall, not for a reader: nobody waits for its end before they go on, and its bytes go to the hot tier
    /// alone. Readers that come meanwhile share it. Set before it runs.
    /// </summary>
    public bool IsBackground { get; set; }

    /// <summary>
    /// Whether other nodes may be asked for it. Decided when it is made: who reads for another node must not wait for
    /// a fetch that waits for one itself.
    /// </summary>
    public bool AsksPeers { get; set; }

    /// <summary>What its requests are for; whoever began it pays, whoever shares it does not.</summary>
    public OriginUse Use => OriginUse.Within(
        _origin,
        IsBackground ? OriginPurpose.Recall : IsReadahead ? OriginPurpose.Readahead : OriginPurpose.Foreground,
        storageClass: null);

    /// <summary>Where its time went: of the hot tier all, or of the origin by phase. Set before it ends.</summary>
    public ReadTimes Times { get; set; }

    /// <summary>Whether the cache took every block of it, so that nobody needs to hold the buffer.</summary>
    public bool IsCached { get; set; }

    /// <summary>Whether it is on its way to the hot tier.</summary>
    public bool IsRecalled { get; set; }

    /// <summary>Ends, never with a fault, when the transfer ended and it is known who keeps its bytes.</summary>
    public Task Settled => _settled.Task;

    public void Settle() => _settled.TrySetResult();

    public TransferBuffer Buffer { get; } = buffer;

    public Memory<byte> Memory => Buffer.Memory[..LengthBytes];

    public Task Completion => _done.Task;

    public bool IsCompleted => _done.Task.IsCompletedSuccessfully;

    public bool HasFailed => _failed;

    public ReadOnlySpan<byte> Bytes(long offsetBytes, int lengthBytes) =>
        Buffer.GetSpan().Slice((int)(offsetBytes - OffsetBytes), lengthBytes);

    public void Succeed() => _done.TrySetResult();

    public void Fail(Exception error)
    {
        _failed = true;
        _done.TrySetException(error);
        _ = _done.Task.Exception; // Observed: a readahead that nobody waits for may fail in silence.
    }

    public void AddReferenceLocked() => _references++;

    public void AddReference()
    {
        lock (Content.Sync)
        {
            _references++;
        }
    }

    public void Release()
    {
        lock (Content.Sync)
        {
            if (--_references > 0)
            {
                return;
            }

            Content.RemoveFetchLocked(this);
        }

        owner.Return(this);
    }
}
