using DataLayer.Fuse.Interop;

namespace DataLayer.Fuse;

/// <summary>Says which way each kind of access takes on a mount, and why.</summary>
internal static class MountPaths
{
    internal static IReadOnlyList<MountPath> Describe(
        FuseMountOptions options, ProfileChoice profile, Negotiation? agreed, string? passthroughOff,
        bool hasEncrypted)
    {
        if (agreed is null)
        {
            return [];
        }

        bool isSmall = profile.Profile == MountProfile.Small;
        bool noOpen = isSmall && agreed.Agreed.HasFlag(Capabilities.NoOpenSupport);
        MountPath[] encrypted = hasEncrypted
            ? [new MountPath("read, hot, encrypted", "service", "the kernel would read what is encrypted on the disk")]
            : [];
        return
        [
            noOpen
                ? new MountPath("open", "kernel", profile.Why ?? "profile small on a read-only mount")
                : new MountPath("open", "service", isSmall
                    ? "this kernel has no opens without a server"
                    : "close-to-open needs it; profile small on a read-only mount does without"),
            Passthrough(options, isSmall, agreed, passthroughOff),
            .. encrypted,
            new MountPath("read, cached", "kernel page cache", "kept over opens until the service says what changed"),
            new MountPath("read, not cached", "service", "one copy from memory or hot tier into the answer"),
            new MountPath("write", "service, write-through", "other ways to the same file see every write"),
            new MountPath("locks", "kernel", "they survive the service that way"),
            new MountPath("io_uring", "off", "requests in flight at a crash of the service would hang"),
        ];
    }

    private static MountPath Passthrough(FuseMountOptions options, bool isSmall, Negotiation agreed, string? off)
    {
        const string What = "read, hot as a whole";
        string? why = off;
        why ??= isSmall ? "excluded by opens without the service" : null;
        why ??= options.Backing is null ? "nobody registers files with the kernel" : null;
        why ??= agreed.Agreed.HasFlag(Capabilities.Passthrough) ? null : "this kernel has no passthrough";
        return why is not null
            ? new MountPath(What, "service", why)
            : new MountPath(What, "kernel, from the backing file", options.ReadOnly
                ? "the mount is read-only"
                : "below read-only attachments: a writer could change a file without its checksums");
    }
}
