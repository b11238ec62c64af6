using DataLayer.Core.Cluster;
using DataLayer.Core.Errors;

namespace DataLayer.Metadata.Nodes;

/// <summary>Who a node is, and how it says that it is alive. Checked as a whole when it joins.</summary>
public sealed record NodeOptions
{
    /// <summary>What the node is known by over restarts: 32 hexadecimal digits. No default: its state directory
    /// remembers it.</summary>
    public required string Id { get; init; }

    /// <summary>What people call it, 1 to 63 characters. Default: the machine's name.</summary>
    public string Name { get; init; } = Environment.MachineName;

    /// <summary>Where other nodes reach its HTTP API, an http or https URL; null, the default, where they do
    /// not.</summary>
    public Uri? PeerEndpoint { get; init; }

    /// <summary>The failure domain it is in, up to 63 characters; null, the default, where none is known.</summary>
    public string? Zone { get; init; }

    /// <summary>What it may do. Default: Writer.</summary>
    public NodeRole Role { get; init; }

    /// <summary>How often it says that it is alive, 100 ms to 1 minute. Default 5 s.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>
    /// After how long without a heartbeat others take it for dead, at least three heartbeats, up to 10 minutes. Default
    /// 30 s: a restart of the database takes less. It fences itself at four fifths of that.
    /// </summary>
    public TimeSpan Expiry { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>After how long without a heartbeat it changes nothing any more.</summary>
    public TimeSpan FenceTime => Expiry * 0.8;

    /// <summary>Checks every value: what is wrong, empty where nothing is.</summary>
    public IReadOnlyList<string> FindFaults()
    {
        List<string> errors = [];
        if (Id.Length != 32 || !IsHex(Id))
        {
            errors.Add($"Id '{Id}' is not 32 hexadecimal digits");
        }

        if (Name.Length is 0 or > 63 || HasControl(Name))
        {
            errors.Add($"Name '{Name}' is not 1 to 63 characters");
        }

        if (Zone is { } zone && (zone.Length is 0 or > 63 || HasControl(zone)))
        {
            errors.Add($"Zone '{zone}' is not 1 to 63 characters");
        }

        if (PeerEndpoint is { } url && (!url.IsAbsoluteUri || url.Scheme is not ("http" or "https")
            || url.UserInfo.Length > 0 || url.PathAndQuery != "/" || url.Fragment.Length > 0))
        {
            errors.Add($"PeerEndpoint '{url}' is not as http://host:port");
        }

        TreeStoreOptions.Check(
            errors, "Heartbeat (milliseconds)", (long)Heartbeat.TotalMilliseconds, 100, 60_000);
        TreeStoreOptions.Check(
            errors, "Expiry (milliseconds)", (long)Expiry.TotalMilliseconds,
            Math.Max(300, 3 * (long)Heartbeat.TotalMilliseconds), 600_000);
        return errors;
    }

    /// <summary>Checks every value.</summary>
    /// <exception cref="DataLayerException">InvalidArgument, with all that is wrong in one message.</exception>
    public void Validate()
    {
        if (FindFaults() is { Count: > 0 } errors)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "Node options: " + string.Join("; ", errors) + ".");
        }
    }

    private static bool IsHex(string text)
    {
        foreach (char c in text)
        {
            if (!char.IsAsciiHexDigitLower(c))
            {
                return false;
            }
        }

        return true;
    }

    private static bool HasControl(string text)
    {
        foreach (char c in text)
        {
            if (char.IsControl(c))
            {
                return true;
            }
        }

        return false;
    }
}
