using DataLayer.Csi.Grpc;
using DataLayer.Csi.Volumes;
using DataLayer.Protocol.Http;

namespace DataLayer.Csi.Node;

/// <summary>
/// A bucket's keys from a volume's secret. They go to the service in a request's body over its socket and nowhere else:
/// not to a command line, an environment variable, a log or a message.
/// </summary>
internal sealed class BucketKeys
{
    private readonly string _accessKey;
    private readonly string _secretKey;
    private readonly string? _sessionToken;

    private BucketKeys(string accessKey, string secretKey, string? sessionToken)
    {
        _accessKey = accessKey;
        _secretKey = secretKey;
        _sessionToken = sessionToken;
    }

    /// <summary>Reads a secret: accessKeyId and secretAccessKey, sessionToken where the keys are temporary; the names
    /// of
    /// the AWS environment variables do as well.</summary>
    /// <exception cref="RpcException">UNAUTHENTICATED: the keys are missing.</exception>
    public static BucketKeys Read(IReadOnlyDictionary<string, string> secrets)
    {
        string? access = Find(secrets, "accessKeyId", "AWS_ACCESS_KEY_ID");
        string? secret = Find(secrets, "secretAccessKey", "AWS_SECRET_ACCESS_KEY");
        return access is null || secret is null
            ? throw new RpcException(
                RpcCode.Unauthenticated, "The volume's secret has no accessKeyId and secretAccessKey.")
            : new BucketKeys(access, secret, Find(secrets, "sessionToken", "AWS_SESSION_TOKEN"));
    }

    /// <summary>The store these keys open.</summary>
    public DefineStoreCommand ToCommand(string name, VolumeSettings settings) => new()
    {
        Name = name,
        Endpoint = settings.Endpoint,
        Region = settings.Region,
        PathStyle = settings.PathStyle,
        AccessKey = _accessKey,
        SecretKey = _secretKey,
        SessionToken = _sessionToken,
    };

    /// <inheritdoc/>
    public override string ToString() => "keys of a bucket";

    private static string? Find(IReadOnlyDictionary<string, string> secrets, params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (secrets.TryGetValue(name, out string? value) && value.Length > 0)
            {
                return value;
            }
        }

        return null;
    }
}
