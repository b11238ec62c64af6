using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Amazon.Runtime;
using Amazon.Runtime.Credentials;
using Amazon.S3;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Objects.S3;

/// <summary>
/// What the buckets of one configured server share: HTTP connections, the SDK's client and the credentials.
/// </summary>
/// <remarks>
/// The SDK runs over the same connection pool as our own reads. Its retries are off (ours are counted and budgeted), so
/// is its clock, its timeout and its optional checksums: older gateways store the trailers these add as part of the
/// object.
/// </remarks>
internal sealed class S3Connection : IDisposable
{
    private readonly SocketsHttpHandler _handler;
    private readonly HttpClient _sdkHttp;
    private readonly X509Certificate2Collection? _authorities;
    private readonly AWSCredentials _credentials;
    private long _connectTicks = long.MaxValue;
    private int _connects;

    internal S3Connection(ObjectStoreOptions options)
    {
        Options = options;
        Endpoint = options.Endpoint is { } url ? new Uri(url) : S3Address.OfRegion(options.Region);
        _authorities = LoadAuthorities(options.CertificateAuthorityFile);
        _handler = new SocketsHttpHandler
        {
            MaxConnectionsPerServer = options.RequestLimit + options.PartsInFlight,
            ConnectTimeout = options.ConnectTimeout,
            PooledConnectionIdleTimeout = TimeSpan.FromMinutes(1),
            PooledConnectionLifetime = TimeSpan.FromMinutes(15),
            AllowAutoRedirect = false,
            UseCookies = false,
            UseProxy = false,
            AutomaticDecompression = DecompressionMethods.None,
            ActivityHeadersPropagator = null,
            MaxResponseDrainSize = 64 << 10,
        };
        if (_authorities is not null)
        {
            _handler.SslOptions.RemoteCertificateValidationCallback = IsTrusted;
        }

        _handler.ConnectCallback = async (context, cancellationToken) =>
        {
            EndPoint address = options.ConnectTo ?? (EndPoint)context.DnsEndPoint;
            Socket socket = new(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            long start = Stopwatch.GetTimestamp();
            try
            {
                if (options.BeforeConnect is not null)
                {
                    await options.BeforeConnect(cancellationToken).ConfigureAwait(false);
                }

                await socket.ConnectAsync(address, cancellationToken).ConfigureAwait(false);
                NoteConnect(Stopwatch.GetElapsedTime(start));
                return new PromptStream(socket);
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        };
        Http = new HttpClient(_handler, disposeHandler: false) { Timeout = Timeout.InfiniteTimeSpan };
        _sdkHttp = new HttpClient(new SendOnceHandler(_handler), disposeHandler: false)
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
        _credentials = ResolveCredentials(options);
        Client = new AmazonS3Client(_credentials, CreateConfig(options));
        Signer = options.Anonymous ? null : new RequestSigner(options.Region);
    }

    internal ObjectStoreOptions Options { get; }

    /// <summary>The server.</summary>
    internal Uri Endpoint { get; }

    /// <summary>True where the server is AWS itself, known to honour conditions on every verb.</summary>
    internal bool IsAws => Options.Endpoint is null;

    /// <summary>
    /// The shortest time a connection took to open: about one round trip to the server. Null while only a few were
    /// opened: the first ones wait for much else as well.
    /// </summary>
    internal TimeSpan? RoundTrip =>
        Volatile.Read(ref _connects) >= 3 ? new TimeSpan(Interlocked.Read(ref _connectTicks)) : null;

    /// <summary>For reads of bodies.</summary>
    internal HttpClient Http { get; }

    /// <summary>For everything else.</summary>
    internal AmazonS3Client Client { get; }

    /// <summary>Signs reads; null where requests are anonymous.</summary>
    internal RequestSigner? Signer { get; }

    /// <summary>The keys to sign with now; temporary ones are renewed by the SDK.</summary>
    internal ValueTask<ImmutableCredentials> GetKeysAsync() =>
        _credentials is BasicAWSCredentials or SessionAWSCredentials
        ? new ValueTask<ImmutableCredentials>(_credentials.GetCredentials())
        : new ValueTask<ImmutableCredentials>(_credentials.GetCredentialsAsync());

    public void Dispose()
    {
        Client.Dispose();
        _sdkHttp.Dispose();
        Http.Dispose();
        _handler.Dispose();
    }

    private void NoteConnect(TimeSpan took)
    {
        RequestMeter.RecordConnect(Options.Name, took);
        Interlocked.Increment(ref _connects);
        long seen = Interlocked.Read(ref _connectTicks);
        while (took.Ticks < seen)
        {
            long before = Interlocked.CompareExchange(ref _connectTicks, took.Ticks, seen);
            if (before == seen)
            {
                return;
            }

            seen = before;
        }
    }

    private static AWSCredentials ResolveCredentials(ObjectStoreOptions options)
    {
        if (options.Anonymous)
        {
            return new AnonymousAWSCredentials();
        }

        string? access = SecretReference.Resolve(options.AccessKey, $"The accessKey of store '{options.Name}'");
        string? secret = SecretReference.Resolve(options.SecretKey, $"The secretKey of store '{options.Name}'");
        string? token = SecretReference.Resolve(options.SessionToken, $"The sessionToken of store '{options.Name}'");
        if (access is not null)
        {
            return token is null ? new BasicAWSCredentials(access, secret)
                : new SessionAWSCredentials(access, secret, token);
        }

        try
        {
            return DefaultAWSCredentialsIdentityResolver.GetCredentials();
        }
        catch (AmazonClientException e)
        {
            throw new DataLayerException(ErrorCode.PermissionDenied,
                $"Object store '{options.Name}' has no keys: give accessKey and secretKey, set AWS_ACCESS_KEY_ID and "
                + "AWS_SECRET_ACCESS_KEY, or say anonymous: true for a public bucket.", e);
        }
    }

    private static X509Certificate2Collection? LoadAuthorities(string? file)
    {
        if (file is null)
        {
            return null;
        }

        X509Certificate2Collection authorities = [];
        try
        {
            authorities.ImportFromPemFile(file);
        }
        catch (Exception e) when (
            e is IOException or UnauthorizedAccessException or System.Security.Cryptography.CryptographicException)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"The certificateAuthorityFile '{file}' cannot be read: {e.Message}", e);
        }

        return authorities.Count > 0
            ? authorities
            : throw new DataLayerException(
                ErrorCode.InvalidArgument, $"The certificateAuthorityFile '{file}' holds no certificate.");
    }

    private AmazonS3Config CreateConfig(ObjectStoreOptions options) => new()
    {
        ServiceURL = Endpoint.ToString(),
        AuthenticationRegion = options.Region,
        ForcePathStyle = options.PathStyle,
        MaxErrorRetry = 0,
        ThrottleRetries = false,
        Timeout = Timeout.InfiniteTimeSpan,
        RequestChecksumCalculation = RequestChecksumCalculation.WHEN_REQUIRED,
        ResponseChecksumValidation = ResponseChecksumValidation.WHEN_REQUIRED,
        HttpClientFactory = new SharedHttpClientFactory(_sdkHttp),
    };

    /// <summary>The name must match; the chain must end at one of the given authorities.</summary>
    private bool IsTrusted(object sender, X509Certificate? certificate, X509Chain? chain, SslPolicyErrors errors)
    {
        if (certificate is not X509Certificate2 leaf
            || errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            return false;
        }

        using X509Chain own = new();
        own.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        own.ChainPolicy.CustomTrustStore.AddRange(_authorities!);
        own.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return own.Build(leaf);
    }

    /// <summary>
    /// Gives the SDK one client over our connections. Its own cache is off: it is shared by all clients of the process
    /// with like settings, and outlives ours.
    /// </summary>
    private sealed class SharedHttpClientFactory(HttpClient client) : HttpClientFactory
    {
        public override HttpClient CreateHttpClient(IClientConfig clientConfig) => client;

        public override bool UseSDKHttpClientCaching(IClientConfig clientConfig) => false;

        public override bool DisposeHttpClientsAfterUse(IClientConfig clientConfig) => false;
    }
}
