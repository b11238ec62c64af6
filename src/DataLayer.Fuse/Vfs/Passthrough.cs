using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Fuse.Interop;
using Microsoft.Win32.SafeHandles;

namespace DataLayer.Fuse.Vfs;

/// <summary>How a handle reads; the handle's number says so, also to the next service.</summary>
internal enum HandleMode : ulong
{
    /// <summary>Through the kernel's page cache.</summary>
    Cached = 0,

    /// <summary>The kernel reads the backing file by itself.</summary>
    Passthrough = 1,

    /// <summary>From us, past the page cache, beside handles that read the backing file.</summary>
    Direct = 2,
}

/// <summary>
/// Decides at each open whether the kernel may read a file's backing file by itself.
/// </summary>
/// <remarks>
/// <para>The kernel wants all handles of an inode to agree: while one reads a backing file, all must name that file,
/// and
/// an open that breaks this fails with EIO. But a handle may name it and be read from us (direct). So: the first handle
/// of an inode decides; while passthrough handles exist, another open of the same content joins them, and one of newer
/// content is direct.</para>
/// <para>Only for content that the mount cannot write: on a read-only mount, or below a read-only attachment. A writer
/// beside passthrough readers could map the backing file and change it without its checksums. A handle keeps the
/// content it was opened with, also when its hot copy is released: the file is unlinked then, and its bytes live until
/// the close. What replaces the content is seen by the next open.</para>
/// <para>After a takeover the handles of an inode are not known until the kernel has forgotten it. Whether some of them
/// read a backing file is known to the keeper, who registered it under the inode's number: then new handles are
/// direct; else they are cached, as others may be.</para>
/// </remarks>
internal sealed class Passthrough(
    IBackingFiles backing, FileEngine engine, bool isWholeMount, bool isTakeover, Action<DataLayerException> refused)
{
    /// <summary>Smaller files gain nothing: the registration costs more than the copy.</summary>
    internal const long MinBytes = 1 << 20;

    private readonly Lock _gate = new();
    private readonly HashSet<long> _forgotten = [];
    private readonly HashSet<long> _inherited = [];
    private int _isOff;
    private long _opened;

    /// <summary>Handles opened so, a count.</summary>
    internal long OpenedCount => Interlocked.Read(ref _opened);

    /// <summary>Why it was turned off, or null.</summary>
    internal string? OffBecause { get; private set; }

    /// <summary>The kernel forgot an inode: it has no handles.</summary>
    internal async ValueTask ForgottenAsync(InodeId inode)
    {
        if (!isTakeover)
        {
            return;
        }

        bool inherited;
        lock (_gate)
        {
            _forgotten.Add(inode.Value);
            inherited = _inherited.Remove(inode.Value);
        }

        if (inherited)
        {
            await UnregisterAsync(KeyOf(inode)).ConfigureAwait(false);
        }
    }

    /// <summary>Decides the mode of a new handle and counts it. Call with the state's mode lock held.</summary>
    internal async ValueTask<(HandleMode Mode, int BackingId)> OpenAsync(
        NodeState state, InodeAttributes attributes, bool readOnly, CancellationToken cancellationToken)
    {
        if (!readOnly || (!isWholeMount && !engine.IsReadOnly(attributes.AttachmentId)))
        {
            return Cached(state);
        }

        if (isTakeover && !state.HasKnownHandles && state.BackingKey is null)
        {
            await InheritAsync(state, cancellationToken).ConfigureAwait(false);
        }

        bool isFirst = state.BackingKey is null;
        if (isFirst && (!state.HasKnownHandles || state.CachedHandles > 0 || _isOff != 0
            || attributes.SizeBytes < MinBytes))
        {
            return Cached(state);
        }

        string? file = await TryRegisterAsync(state, attributes, cancellationToken).ConfigureAwait(false);
        if (state.BackingKey is null)
        {
            return Cached(state);
        }

        state.PassthroughHandles++;
        if (file is null || file != state.BackingFile)
        {
            return (HandleMode.Direct, state.BackingId);
        }

        Interlocked.Increment(ref _opened);
        return (HandleMode.Passthrough, state.BackingId);
    }

    /// <summary>A handle was closed. Call with the state's mode lock held.</summary>
    internal async ValueTask CloseAsync(NodeState state, HandleMode mode)
    {
        if (mode == HandleMode.Cached)
        {
            state.CachedHandles -= state.CachedHandles > 0 ? 1 : 0;
            return;
        }

        // Handles of a former service are not counted here: what they read stays registered until the inode is
        // forgotten.
        if (state.HasKnownHandles && state.PassthroughHandles > 0 && --state.PassthroughHandles == 0
            && state.BackingKey is { } key)
        {
            state.BackingKey = null;
            state.BackingFile = null;
            state.BackingId = 0;
            await UnregisterAsync(key).ConfigureAwait(false);
        }
    }

    private static (HandleMode Mode, int BackingId) Cached(NodeState state)
    {
        state.CachedHandles++;
        return (HandleMode.Cached, 0);
    }

    private static string KeyOf(InodeId inode) => inode.ToString();

    /// <summary>Finds out what a former service may have left open of an inode.</summary>
    private async ValueTask InheritAsync(NodeState state, CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            if (_forgotten.Contains(state.Inode.Value))
            {
                state.HasKnownHandles = true;
                return;
            }
        }

        // A known key answers its id whatever file comes with it; for an unknown one the kernel refuses this file.
        using SafeFileHandle none = File.OpenHandle("/dev/null");
        try
        {
            string key = KeyOf(state.Inode);
            state.BackingId = await backing.OpenAsync(key, none, cancellationToken).ConfigureAwait(false);
            state.BackingKey = key;
            lock (_gate)
            {
                _inherited.Add(state.Inode.Value);
            }
        }
        catch (DataLayerException error) when (error.Code != ErrorCode.OriginUnavailable)
        {
            // Nothing is registered for it.
        }
    }

    private async ValueTask UnregisterAsync(string key)
    {
        try
        {
            await backing.CloseAsync(key, CancellationToken.None).ConfigureAwait(false);
        }
        catch (DataLayerException)
        {
            // The keeper is gone, and with it what it had registered.
        }
    }

    /// <summary>
    /// The current backing file's identity, registered if none is for the inode; null if there is none.
    /// </summary>
    private async ValueTask<string?> TryRegisterAsync(
        NodeState state, InodeAttributes attributes, CancellationToken cancellationToken)
    {
        SafeFileHandle? file = await engine.TryOpenBackingAsync(attributes.Inode, cancellationToken)
            .ConfigureAwait(false);
        if (file is null)
        {
            return null;
        }

        using (file)
        {
            // The same path may be another file after a release and a recall.
            string identity = string.Create(
                CultureInfo.InvariantCulture, $"{attributes.Generation}.{FileIdentity.Of(file)}");
            if (state.BackingKey is not null)
            {
                return identity;
            }

            try
            {
                string key = KeyOf(attributes.Inode);
                state.BackingId = await backing.OpenAsync(key, file, cancellationToken).ConfigureAwait(false);
                state.BackingKey = key;
                state.BackingFile = identity;
                return identity;
            }
            catch (DataLayerException error)
            {
                if (error.Code is ErrorCode.NotSupported or ErrorCode.PermissionDenied
                    && Interlocked.Exchange(ref _isOff, 1) == 0)
                {
                    OffBecause = error.Message;
                    refused(error);
                }

                return null;
            }
        }
    }
}
