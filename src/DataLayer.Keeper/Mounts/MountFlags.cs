using DataLayer.Core.Errors;

namespace DataLayer.Keeper.Mounts;

/// <summary>
/// What <c>-o</c> may say: the kernel's own flags by their usual names, and <c>name=value</c> for the service.
/// </summary>
public sealed record MountFlags
{
    private const nuint SetReadOnly = 1;
    private const nuint NoSetUserId = 2;
    private const nuint NoDevices = 4;
    private const nuint NoExecution = 8;
    private const nuint NoAccessTime = 1024;
    private const nuint NoDirectoryAccessTime = 2048;

    /// <summary>Flags of mount(2). Default: nosuid, nodev.</summary>
    internal nuint Kernel { get; init; } = NoSetUserId | NoDevices;

    /// <summary>Whether changes are refused.</summary>
    public bool ReadOnly => (Kernel & SetReadOnly) != 0;

    /// <summary>Whether other users than the one who mounts may use it. Default: yes; only root may say so.</summary>
    public bool AllowOther { get; init; } = true;

    /// <summary>What the kernel does not know, by name: for the service.</summary>
    public IReadOnlyDictionary<string, string> Service { get; init; } =
        new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The same, and read-only where asked.</summary>
    public MountFlags WithReadOnly(bool readOnly) => readOnly ? this with { Kernel = Kernel | SetReadOnly } : this;

    /// <summary>Reads lists of options, separated by commas; later ones win.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: a word that is neither a flag nor name=value.</exception>
    public static MountFlags Parse(IEnumerable<string> lists)
    {
        ArgumentNullException.ThrowIfNull(lists);
        nuint kernel = new MountFlags().Kernel;
        bool allowOther = true;
        Dictionary<string, string> service = new(StringComparer.Ordinal);
        foreach (string list in lists)
        {
            foreach (string given in list.Split(',', StringSplitOptions.RemoveEmptyEntries))
            {
                string word = given.Trim();
                int equals = word.IndexOf('=', StringComparison.Ordinal);
                if (equals > 0)
                {
                    service[word[..equals]] = word[(equals + 1)..];
                    continue;
                }

                switch (word)
                {
                    case "ro": kernel |= SetReadOnly; break;
                    case "rw": kernel &= ~SetReadOnly; break;
                    case "suid": kernel &= ~NoSetUserId; break;
                    case "nosuid": kernel |= NoSetUserId; break;
                    case "dev": kernel &= ~NoDevices; break;
                    case "nodev": kernel |= NoDevices; break;
                    case "exec": kernel &= ~NoExecution; break;
                    case "noexec": kernel |= NoExecution; break;
                    case "atime": kernel &= ~NoAccessTime; break;
                    case "noatime": kernel |= NoAccessTime; break;
                    case "nodiratime": kernel |= NoDirectoryAccessTime; break;
                    case "allow_other": allowOther = true; break;
                    case "noallow_other": allowOther = false; break;
                    case "default_permissions" or "defaults": break;
                    default:
                        throw new DataLayerException(
                            ErrorCode.InvalidArgument,
                            $"The mount option '{word}' is not known. Use ro, rw, suid, dev, noexec, noatime, "
                            + "nodiratime, noallow_other, or NAME=VALUE for the service.");
                }
            }
        }

        return new MountFlags { Kernel = kernel, AllowOther = allowOther, Service = service };
    }
}
