using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Fuse.Interop;

namespace DataLayer.Fuse;

/// <summary>What a mount is tuned for, in fact, and why.</summary>
/// <param name="Profile">The profile it is served by.</param>
/// <param name="Why">Why, where it was chosen; null where it was stated.</param>
internal sealed record ProfileChoice(MountProfile Profile, string? Why)
{
    /// <summary>Entries that are looked at, a count: some milliseconds of the metadata.</summary>
    private const int LookLimit = 4000;

    private const int PageLength = 1000;

    /// <summary>Fewer files gain nothing that anybody sees, a count.</summary>
    private const int FewFiles = 100;

    /// <summary>A small file, bytes: opening it costs as much as reading it.</summary>
    private const long SmallBytes = 128 << 10;

    /// <summary>
    /// The profile of a mount. With <see cref="MountProfile.Auto"/> a read-only mount becomes
    /// <see cref="MountProfile.Small"/> where nine of ten files are small, none gains by passthrough, and nothing below
    /// asks its store at an open. A mount that is taken over keeps what was agreed with the kernel.
    /// </summary>
    /// <exception cref="DataLayerException">The metadata cannot be read.</exception>
    internal static async ValueTask<ProfileChoice> ChooseAsync(
        FileEngine engine, FuseMountOptions options, CancellationToken cancellationToken)
    {
        if (options.Profile != MountProfile.Auto || !options.ReadOnly)
        {
            return new ProfileChoice(options.Profile, null);
        }

        if (options.IsTakeover)
        {
            return Negotiation.FromBytes(options.Negotiated.Span).Agreed.HasFlag(Capabilities.NoOpenSupport)
                ? new ProfileChoice(MountProfile.Small, "chosen from the files' sizes when it was mounted")
                : new ProfileChoice(MountProfile.Auto, null);
        }

        Look look = await LookAsync(engine, options.Root, cancellationToken).ConfigureAwait(false);
        bool isSmall = look is { Files: >= FewFiles, HasLarge: false, AsksStore: false }
            && look.SmallFiles * 10 >= look.Files * 9;
        return isSmall
            ? new ProfileChoice(MountProfile.Small, string.Create(
                CultureInfo.InvariantCulture,
                $"chosen: {look.SmallFiles} of {look.Files} files looked at have at most {SmallBytes >> 10} KiB"))
            : new ProfileChoice(MountProfile.Auto, null);
    }

    private static async ValueTask<Look> LookAsync(
        FileEngine engine, InodeId root, CancellationToken cancellationToken)
    {
        HashSet<long> immutable = [];
        foreach (Attachment attachment in await engine.ListAttachmentsAsync(cancellationToken).ConfigureAwait(false))
        {
            if (attachment.Freshness == FreshnessMode.Immutable)
            {
                immutable.Add(attachment.Id);
            }
        }

        Look look = new();
        Queue<InodeId> folders = new([root]);
        for (int entries = 0; entries < LookLimit && folders.TryDequeue(out InodeId folder);)
        {
            // One page a folder: of many folders each tells something.
            foreach (DirectoryEntry entry in await engine.Nodes.ListAsync(folder, null, PageLength, cancellationToken)
                .ConfigureAwait(false))
            {
                entries++;
                if (entry.Attributes.Kind == FileKind.Directory)
                {
                    folders.Enqueue(entry.Attributes.Inode);
                }
                else if (entry.Attributes.Kind == FileKind.Regular)
                {
                    look.Add(entry.Attributes, immutable);
                }
            }
        }

        return look;
    }

    private sealed class Look
    {
        public int Files { get; private set; }

        public int SmallFiles { get; private set; }

        public bool HasLarge { get; private set; }

        public bool AsksStore { get; private set; }

        public void Add(InodeAttributes file, HashSet<long> immutable)
        {
            Files++;
            SmallFiles += file.SizeBytes <= SmallBytes ? 1 : 0;
            HasLarge |= file.SizeBytes >= Vfs.Passthrough.MinBytes;
            AsksStore |= file.AttachmentId != 0 && !immutable.Contains(file.AttachmentId);
        }
    }
}
