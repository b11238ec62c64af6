using DataLayer.Core.Errors;
using DataLayer.Core.Identity;

namespace DataLayer.Fuse;

/// <summary>What a mount is tuned for.</summary>
public enum MountProfile
{
    /// <summary>
    /// As <see cref="Small"/> where the mount is read-only and the files below it are many and small when it is made,
    /// else as <see cref="Large"/>.
    /// </summary>
    Auto,

    /// <summary>Reads and writes of any size; files that are only read and hot as a whole are the kernel's.</summary>
    Large,

    /// <summary>
    /// Many small files that are only read: the kernel opens them without asking. Needs a read-only mount.
    /// </summary>
    Small,
}

/// <summary>Settings of one mount. <see cref="Validate"/> reports every bad value at once.</summary>
public sealed record FuseMountOptions
{
    /// <summary>The mount's name in messages and status.</summary>
    public required string MountId { get; init; }

    /// <summary>The folder of the tree that is the mount's root. Default: the tree's root.</summary>
    public InodeId Root { get; init; } = InodeId.Root;

    /// <summary>What the mount is tuned for. Default <see cref="MountProfile.Auto"/>.</summary>
    public MountProfile Profile { get; init; } = MountProfile.Auto;

    /// <summary>Whether every change is refused. Default false.</summary>
    public bool ReadOnly { get; init; }

    /// <summary>
    /// Asynchronous requests (readahead, direct I/O) the kernel keeps in flight, a count, 12 to 1,024. Default 64: with
    /// fewer, a reader of a far backend waits.
    /// </summary>
    public int MaxBackground { get; init; } = 64;

    /// <summary>Threads that read requests, a count, 1 to 64; 0 for one a processor, 2 to 8. Default 0.</summary>
    public int ReaderThreads { get; init; }

    /// <summary>
    /// How long the kernel believes names, also absent ones, without asking. Default 1 hour: a change that comes
    /// another way than through this mount is told to the kernel at once, whatever this says.
    /// </summary>
    public TimeSpan EntryTimeout { get; init; } = TimeSpan.FromHours(1);

    /// <summary>As <see cref="EntryTimeout"/>, of attributes.</summary>
    public TimeSpan AttributeTimeout { get; init; } = TimeSpan.FromHours(1);

    /// <summary>Whether <c>.datalayer/accesslog</c> gets one line an operation. Default false.</summary>
    public bool AccessLog { get; init; }

    /// <summary>The service that served the mount before is gone: no INIT comes. Default false.</summary>
    public bool IsTakeover { get; init; }

    /// <summary>
    /// With <see cref="IsTakeover"/>: what the former service gave to <see cref="OnNegotiated"/>.
    /// </summary>
    public ReadOnlyMemory<byte> Negotiated { get; init; }

    /// <summary>
    /// Called once a fresh mount has agreed with the kernel, before the kernel hears so: store the bytes where the
    /// next service finds them.
    /// </summary>
    public Func<ReadOnlyMemory<byte>, CancellationToken, ValueTask>? OnNegotiated { get; init; }

    /// <summary>
    /// Registers files that the kernel reads by itself; null where nobody can. Default null. Used for files of at least
    /// 1 MiB that are hot as a whole, on a read-only mount or below read-only attachments.
    /// </summary>
    public IBackingFiles? Backing { get; init; }

    /// <summary>Text of <c>.datalayer/config</c>. Default empty.</summary>
    public string Configuration { get; init; } = string.Empty;

    /// <summary>Checks every value.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, naming every value out of range.</exception>
    public void Validate()
    {
        List<string> errors = [];
        if (string.IsNullOrEmpty(MountId))
        {
            errors.Add($"{nameof(MountId)} is empty");
        }

        if (MaxBackground is < 12 or > 1024)
        {
            errors.Add($"{nameof(MaxBackground)} {MaxBackground} is not in 12 to 1024");
        }

        if (ReaderThreads is < 0 or > 64)
        {
            errors.Add($"{nameof(ReaderThreads)} {ReaderThreads} is not in 0 to 64");
        }

        if (EntryTimeout < TimeSpan.Zero || AttributeTimeout < TimeSpan.Zero)
        {
            errors.Add($"{nameof(EntryTimeout)} and {nameof(AttributeTimeout)} must not be negative");
        }

        if (Profile == MountProfile.Small && !ReadOnly)
        {
            errors.Add("the profile 'small' needs a read-only mount: without opens, no write could be ordered");
        }

        if (IsTakeover && Negotiated.IsEmpty)
        {
            errors.Add($"{nameof(IsTakeover)} needs {nameof(Negotiated)}");
        }

        if (errors.Count > 0)
        {
            throw new DataLayerException(ErrorCode.InvalidArgument, $"Bad mount options: {string.Join("; ", errors)}.");
        }
    }
}
