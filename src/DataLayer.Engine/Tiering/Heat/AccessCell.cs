using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Tiering.Heat;

/// <summary>
/// Counts the accesses of one content since they were last taken. Adding takes no lock and allocates nothing; the first
/// addition since then puts the cell on the ledger's list.
/// </summary>
/// <remarks>
/// <para>A memory hit costs one interlocked operation: reads and bytes share a word (20 and 43 bits), which is folded
/// into wide sums long before either overflows. Where two processors meet on the word, the cell is spread, once and for
/// good, over one word a processor, each on a cache line of its own: so a single file that everybody reads is not a
/// line that everybody waits for.</para>
/// <para>No addition is lost to a race with the taker: an addition counts first and looks at the mark then; the taker
/// clears the mark first and takes the counts then. Whoever sees the mark still set is counted by that taker.</para>
/// </remarks>
internal sealed class AccessCell(ContentState content)
{
    private const int CountBits = 20;
    private const long CountMask = (1L << CountBits) - 1;
    private const long FoldMask = (1L << 62) | (1L << (CountBits - 1));
    private const int StripeLongs = 16;
    private static readonly int _stripeMask =
        (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Clamp(Environment.ProcessorCount, 1, 32)) - 1;

    private long _hits;
    private long[]? _stripes;
    private int _isListed;
    private long _opens;
    private long _wholeReads;
    private long _reads;
    private long _memoryBytes;
    private long _hotBytes;
    private long _coldBytes;
    private long _hotWait;
    private long _coldWait;

    /// <summary>Whose accesses are counted.</summary>
    public ContentState Content { get; } = content;

    /// <summary>The next cell on the ledger's list.</summary>
    public AccessCell? Next { get; set; }

    /// <summary>Whether accesses were counted on one word a processor.</summary>
    public bool IsSpread => Volatile.Read(ref _stripes) is not null;

    /// <summary>A read that memory answered as a whole.</summary>
    public void NoteHit(AccessLedger ledger, int bytes)
    {
        long addition = ((long)bytes << CountBits) + 1;
        long[]? stripes = Volatile.Read(ref _stripes);
        if (stripes is null)
        {
            long seen = Volatile.Read(ref _hits);
            if (Interlocked.CompareExchange(ref _hits, seen + addition, seen) == seen)
            {
                if (((seen + addition) & FoldMask) != 0)
                {
                    Fold(ref _hits);
                }

                List(ledger);
                return;
            }

            stripes = Spread();
        }

        ref long word = ref stripes[(Thread.GetCurrentProcessorId() & _stripeMask) * StripeLongs];
        if ((Interlocked.Add(ref word, addition) & FoldMask) != 0)
        {
            Fold(ref word);
        }

        List(ledger);
    }

    /// <summary>A read that waited.</summary>
    public void NoteSlowRead(
        AccessLedger ledger, long memoryBytes, long hotBytes, long coldBytes, bool wasCold, long waitNanoseconds)
    {
        Interlocked.Increment(ref _reads);
        Interlocked.Add(ref _memoryBytes, memoryBytes);
        Interlocked.Add(ref _hotBytes, hotBytes);
        Interlocked.Add(ref _coldBytes, coldBytes);
        Interlocked.Add(ref wasCold ? ref _coldWait : ref _hotWait, waitNanoseconds);
        List(ledger);
    }

    /// <summary>The file was opened.</summary>
    public void NoteOpen(AccessLedger ledger)
    {
        Interlocked.Increment(ref _opens);
        List(ledger);
    }

    /// <summary>Somebody reads the file past us; taken for one read of the whole.</summary>
    public void NoteUnseenRead(AccessLedger ledger)
    {
        Interlocked.Increment(ref _wholeReads);
        List(ledger);
    }

    /// <summary>Takes what was counted, and may be listed again.</summary>
    public AccessTally Take()
    {
        Interlocked.Exchange(ref _isListed, 0);
        Fold(ref _hits);
        if (Volatile.Read(ref _stripes) is { } stripes)
        {
            for (int i = 0; i < stripes.Length; i += StripeLongs)
            {
                Fold(ref stripes[i]);
            }
        }

        return new AccessTally(
            new Metadata.AccessSums(
                Interlocked.Exchange(ref _opens, 0),
                Interlocked.Exchange(ref _reads, 0),
                Interlocked.Exchange(ref _memoryBytes, 0),
                Interlocked.Exchange(ref _hotBytes, 0),
                Interlocked.Exchange(ref _coldBytes, 0),
                Interlocked.Exchange(ref _hotWait, 0),
                Interlocked.Exchange(ref _coldWait, 0)),
            Interlocked.Exchange(ref _wholeReads, 0),
            Content.SizeBytes,
            Content.Content.Attributes.AttachmentId);
    }

    private void List(AccessLedger ledger)
    {
        if (Volatile.Read(ref _isListed) == 0 && Interlocked.Exchange(ref _isListed, 1) == 0)
        {
            ledger.Push(this);
        }
    }

    private long[] Spread()
    {
        long[] made = new long[(_stripeMask + 1) * StripeLongs];
        return Interlocked.CompareExchange(ref _stripes, made, null) ?? made;
    }

    private void Fold(ref long word)
    {
        long taken = Interlocked.Exchange(ref word, 0);
        if (taken != 0)
        {
            Interlocked.Add(ref _reads, taken & CountMask);
            Interlocked.Add(ref _memoryBytes, taken >> CountBits);
        }
    }
}
