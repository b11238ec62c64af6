using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;
using DataLayer.Metadata;

namespace DataLayer.Engine.Files;

/// <content>Files that begin with the bytes of others.</content>
public sealed partial class FileEngine
{
    private const int CloneBufferBytes = 1 << 20;

    /// <summary>
    /// Makes a file with the content of another, as it is at one moment; replaces what is at the new path, durable and
    /// at once. A large content that is hot as a whole is shared, not copied: both files are of their own from the
    /// start, and the first change of either copies its bytes on the targets. Anything else is read and written.
    /// </summary>
    /// <returns>The clone's attributes.</returns>
    /// <exception cref="DataLayerException">
    /// NotFound, IsADirectory, NotADirectory, ReadOnly, AlreadyExists (IfAbsent), QuotaExceeded (a clone counts in
    /// full), NoSpace, Corrupt, TargetFailed; as reads of the file.
    /// </exception>
    public async ValueTask<InodeAttributes> CloneFileAsync(
        string from, string to, CloneOptions options, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(options);
        OpenFile source = await OpenFileAsync(from, write: false, cancellationToken).ConfigureAwait(false);
        await using (source.ConfigureAwait(false))
        {
            ReplaceOptions replace = new()
            {
                IfAbsent = options.IfAbsent,
                MakeParents = options.MakeParents,
                Mode = options.KeepAttributes ? source.Attributes.Mode & 0xFFF : new ReplaceOptions().Mode,
            };
            InodeAttributes made;
            FileReplacement replacement = await ReplaceFileAsync(to, replace, cancellationToken)
                .ConfigureAwait(false);
            await using (replacement.ConfigureAwait(false))
            {
                if (!await replacement.Writer.TryShareAsync(source.Content, Writer, cancellationToken)
                    .ConfigureAwait(false))
                {
                    await CopyAsync(source, replacement, cancellationToken).ConfigureAwait(false);
                }

                made = await replacement.CommitAsync(CancellationToken.None).ConfigureAwait(false);
            }

            return options.KeepAttributes
                ? await KeepAttributesAsync(source.Attributes, made, cancellationToken).ConfigureAwait(false)
                : made;
        }
    }

    private async ValueTask CopyAsync(
        OpenFile source, FileReplacement replacement, CancellationToken cancellationToken)
    {
        TransferBuffer buffer = Context.Buffers.Rent(
            (int)Math.Clamp(source.Attributes.SizeBytes, 1, CloneBufferBytes));
        try
        {
            int read;
            for (long at = 0; (read = await source.ReadAsync(at, buffer.Memory, cancellationToken)
                .ConfigureAwait(false)) > 0; at += read)
            {
                await replacement.WriteAsync(buffer.Memory[..read], cancellationToken).ConfigureAwait(false);
            }
        }
        finally
        {
            Context.Buffers.Return(buffer);
        }
    }

    private async ValueTask<InodeAttributes> KeepAttributesAsync(
        InodeAttributes source, InodeAttributes made, CancellationToken cancellationToken)
    {
        AttributeChanges changes = new()
        {
            Mode = source.Mode & 0xFFF,
            UserId = source.UserId,
            GroupId = source.GroupId,
            AccessTimeNanoseconds = source.AccessTimeNanoseconds,
            ModifyTimeNanoseconds = source.ModifyTimeNanoseconds,
        };
        InodeAttributes changed;
        using (new ChangeScope(Context.Stamps).Inode(made.Inode))
        {
            foreach (string name in await ListXattrsAsync(source.Inode, cancellationToken).ConfigureAwait(false))
            {
                if (name.StartsWith("user.", StringComparison.Ordinal)
                    && !name.StartsWith("user.datalayer.", StringComparison.Ordinal)
                    && await Context.Tree.GetXattrAsync(source.Inode, name, cancellationToken).ConfigureAwait(false)
                        is { } value)
                {
                    await Context.Tree.Relaxed.SetXattrAsync(
                        made.Inode, name, value, XattrCondition.None, cancellationToken).ConfigureAwait(false);
                }
            }

            changed = await Context.Tree.Relaxed.SetAttributesAsync(made.Inode, changes, cancellationToken)
                .ConfigureAwait(false);
        }

        if (Context.Contents.Peek(changed.Content) is { } state)
        {
            await Context.ReloadAsync(state, CancellationToken.None).ConfigureAwait(false);
        }

        await Context.Tree.FlushAsync(cancellationToken).ConfigureAwait(false);
        return changed;
    }
}
