using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;

namespace DataLayer.Fuse.Vfs;

/// <content>Files without a name (O_TMPFILE).</content>
internal sealed partial class FileSystem
{
    /// <summary>
    /// Makes a file without a name and opens it. The kernel gives it a name by a link, or forgets it. One that was made
    /// before a restart and not answered is nobody's, and goes when the mount ends.
    /// </summary>
    internal async ValueTask<NodeEntry> CreateTemporaryAsync(
        ulong parent, int mode, Caller caller, CancellationToken cancellationToken)
    {
        NodeOwner owner = await BeginCreateAsync(parent, mode, caller, cancellationToken).ConfigureAwait(false);
        (InodeAttributes made, OpenFile file) = await _nodes
            .CreateTemporaryAsync(InodeOf(parent), owner, cancellationToken).ConfigureAwait(false);
        NoteChange();
        NodeEntry entry = await KnownAsync(made, cancellationToken).ConfigureAwait(false);
        NodeState state = Table.GetOrAdd(made.Inode);
        state.IsHeld = true; // The engine holds it since it was made.
        await AdoptNewAsync(state, made, file).ConfigureAwait(false);
        return entry;
    }

    /// <summary>Takes over a file that nobody else knows yet, with one handle.</summary>
    private async ValueTask AdoptNewAsync(NodeState state, InodeAttributes made, OpenFile? file)
    {
        state.CachedGeneration = made.Generation;
        state.LastUse = Environment.TickCount64;
        state.AddHandle();
        state.HasKnownHandles = true;
        state.CachedHandles++;
        if (file is not null)
        {
            Table.SetHasNoXattrs(made.Inode, true);
            await state.AdoptAsync(file).ConfigureAwait(false);
        }
    }
}
