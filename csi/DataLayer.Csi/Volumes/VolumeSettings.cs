using System.Globalization;
using DataLayer.Core.Tree;
using DataLayer.Csi.Grpc;
using DataLayer.Protocol.Http;

namespace DataLayer.Csi.Volumes;

/// <summary>
/// What a storage class's parameters, a static volume's attributes or an inline volume's attributes say, checked. The
/// keys and their meaning stand in csi/README.md; an unknown key is refused with its name, so that a slip of the pen
/// does not become a volume of another kind.
/// </summary>
internal sealed record VolumeSettings
{
    private const string KubernetesPrefix = "csi.storage.k8s.io/";

    /// <summary>Key with which the kubelet marks an inline volume.</summary>
    public const string EphemeralKey = KubernetesPrefix + "ephemeral";

    /// <summary>Key with the identity of the tree that holds a provisioned volume.</summary>
    public const string TreeKey = "tree";

    /// <summary>A bucket to attach: s3://bucket/prefix or file:///folder; null for a folder of the tree.</summary>
    public string? Source { get; init; }

    /// <summary>An existing folder of the tree, for static volumes; null for a volume of our own.</summary>
    public string? Path { get; init; }

    /// <summary>
    /// The configured object store that holds the bucket; null is "default", or one made from secrets.
    /// </summary>
    public string? Store { get; init; }

    /// <summary>The endpoint of a store made from the volume's secret; null is AWS.</summary>
    public string? Endpoint { get; init; }

    /// <summary>The region of a store made from the volume's secret.</summary>
    public string? Region { get; init; }

    /// <summary>Bucket in the path rather than in the host name.</summary>
    public bool PathStyle { get; init; } = true;

    /// <summary>Whether the volume may change the bucket.</summary>
    public AttachmentMode Mode { get; init; } = AttachmentMode.ReadOnly;

    /// <summary>When objects are checked again.</summary>
    public FreshnessMode Freshness { get; init; } = FreshnessMode.Immutable;

    /// <summary>How old a check may be with maxAge, seconds.</summary>
    public double MaxAgeSeconds { get; init; } = 60;

    /// <summary>When written contents are uploaded.</summary>
    public FlushMode Flush { get; init; } = FlushMode.WriteBack;

    /// <summary>The mount's profile.</summary>
    public string Profile { get; init; } = "auto";

    /// <summary>The quota of an inline scratch folder, bytes; 0 is none.</summary>
    public long SizeBytes { get; init; }

    /// <summary>The identity of the tree that holds a provisioned volume, or null.</summary>
    public string? Tree { get; init; }

    /// <summary>Whether the kubelet said that this is an inline volume.</summary>
    public bool IsEphemeral { get; init; }

    /// <summary>Reads the parameters of a storage class: profile only, for the rest is the volume's own.</summary>
    public static VolumeSettings ReadParameters(IEnumerable<KeyValuePair<string, string>> parameters) =>
        Read(parameters, "parameters", ["profile"]);

    /// <summary>Reads what the node is given: volume_context.</summary>
    public static VolumeSettings ReadContext(IEnumerable<KeyValuePair<string, string>> context)
    {
        List<KeyValuePair<string, string>> all = [.. context];
        bool ephemeral = all.Exists(
            pair => pair.Key == EphemeralKey && string.Equals(pair.Value, "true", StringComparison.OrdinalIgnoreCase));
        string[] bucket =
            ["source", "store", "endpoint", "region", "pathStyle", "mode", "freshness", "maxAge", "flush", "profile"];
        VolumeSettings settings = Read(
            all, "volume_context", ephemeral ? [.. bucket, "size"] : [.. bucket, "path", TreeKey]);
        return settings.Source is not null && settings.Path is not null
            ? throw new RpcException(RpcCode.InvalidArgument, "volume_context has both source and path: give one.")
            : settings with { IsEphemeral = ephemeral };
    }

    private static VolumeSettings Read(
        IEnumerable<KeyValuePair<string, string>> pairs, string field, string[] allowed)
    {
        VolumeSettings settings = new();
        foreach ((string key, string value) in pairs)
        {
            // The sidecars and the kubelet add their own: the claim's name, the pod's name and so on.
            if (key.StartsWith(KubernetesPrefix, StringComparison.Ordinal)
                || key.StartsWith("storage.kubernetes.io/", StringComparison.Ordinal))
            {
                continue;
            }

            settings = allowed.Contains(key, StringComparer.Ordinal)
                ? settings.With(key, value, field)
                : throw new RpcException(RpcCode.InvalidArgument,
                    $"{field} has the unknown key '{key}'. Known here: {string.Join(", ", allowed)}.");
        }

        return settings;
    }

    private VolumeSettings With(string key, string value, string field) => key switch
    {
        "source" => this with { Source = value },
        "path" => this with { Path = CheckedPath(value, field) },
        "store" => this with { Store = value },
        "endpoint" => this with { Endpoint = value },
        "region" => this with { Region = value },
        "pathStyle" => this with { PathStyle = Choice(value, field, key, ("true", true), ("false", false)) },
        "mode" => this with
        {
            Mode = Choice(value, field, key,
                ("readOnly", AttachmentMode.ReadOnly), ("readWrite", AttachmentMode.ReadWrite)),
        },
        "freshness" => this with
        {
            Freshness = Choice(value, field, key, ("immutable", FreshnessMode.Immutable),
                ("maxAge", FreshnessMode.MaxAge), ("always", FreshnessMode.Always)),
        },
        "maxAge" => this with { MaxAgeSeconds = Number(value, field, key) },
        "flush" => this with
        {
            Flush = Choice(value, field, key,
                ("writeBack", FlushMode.WriteBack), ("writeThrough", FlushMode.WriteThrough)),
        },
        "profile" => this with
        {
            Profile = Choice(value, field, key, ("auto", "auto"), ("large", "large"), ("small", "small")),
        },
        "size" => this with { SizeBytes = Quantity.Parse(value, field, key) },
        _ => this with { Tree = value },
    };

    private static string CheckedPath(string value, string field)
    {
        try
        {
            TreePath.Check(value);
            return value;
        }
        catch (Core.Errors.DataLayerException e)
        {
            throw new RpcException(RpcCode.InvalidArgument, $"{field}: path: {e.Message}", e);
        }
    }

    private static T Choice<T>(string value, string field, string key, params ReadOnlySpan<(string Text, T Value)> all)
    {
        foreach ((string text, T choice) in all)
        {
            if (text == value)
            {
                return choice;
            }
        }

        List<string> texts = [];
        foreach ((string text, _) in all)
        {
            texts.Add(text);
        }

        throw new RpcException(
            RpcCode.InvalidArgument, $"{field}: {key} is '{value}': give {string.Join(" or ", texts)}.");
    }

    private static double Number(string value, string field, string key) =>
        double.TryParse(value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number)
            && double.IsFinite(number)
            ? number
            : throw new RpcException(
                RpcCode.InvalidArgument, $"{field}: {key} is '{value}': give a number of seconds.");
}
