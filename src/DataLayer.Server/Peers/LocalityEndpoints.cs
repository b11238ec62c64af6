using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Engine.Files;
using DataLayer.Engine.Peers;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;
using DataLayer.Server.Http;

namespace DataLayer.Server.Peers;

/// <summary>
/// How much of a folder each node has near, for schedulers: each looks in its own memory and hot tier.
/// </summary>
internal sealed class LocalityEndpoints(NodeHost node) : IDisposable
{
    /// <summary>Files that are looked at where nobody says how many, a count: about a second's work.</summary>
    private const int DefaultFiles = 100_000;

    private const int MostFiles = 10_000_000;
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(10);
    private readonly SemaphoreSlim _walks = new(2, 2);

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        ApiParameter[] parameters =
        [
            new("path", ApiParameterPlace.Query, "string", "The folder, or one file.", Required: true),
            new("files", ApiParameterPlace.Query, "integer", "How many files each node looks at; default 100000."),
        ];
        yield return new ApiOperation(
            "GET", ApiRoutes.Locality, "locality", "How much of a folder each node has near.", ShowAsync)
        {
            Access = ApiAccess.Read,
            Tag = "peers",
            Parameters = parameters,
            Answer = typeof(LocalityReport),
        };
        yield return new ApiOperation(
            "GET", ApiRoutes.PeerLocality, "localityForPeer", "How much of a folder this node has near.",
            ShowOwnAsync)
        {
            Access = ApiAccess.Peer,
            Tag = "peers",
            Parameters = parameters,
            Answer = typeof(NodeLocality),
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _walks.Dispose();

    private static string Failure(Exception error) => error switch
    {
        DataLayerException { Code: ErrorCode.NotFound } => "it has no such path",
        OperationCanceledException => "it did not answer in time",
        _ => error.Message,
    };

    private async Task ShowAsync(HttpContext context)
    {
        string path = RequestTarget.RequiredText(context, "path");
        RequestCaller.DemandPath(context, path);
        int files = RequestTarget.Count(context, "files", DefaultFiles, 1, MostFiles);
        StorageNode open = node.Open;
        using CancellationTokenSource late = new(_patience);
        using CancellationTokenSource stop =
            CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, late.Token);
        List<Task<NodeLocality>> others = [];
        string self = open.Peers?.Directory.Self.Name ?? string.Empty;
        foreach (PeerNode other in open.Peers?.Directory.Live ?? [])
        {
            if (other.Name != self && other.Endpoint is not null)
            {
                others.Add(AskAsync(open.PeerLink!, other, path, files, stop.Token));
            }
        }

        List<NodeLocality> nodes = [await LookAsync(open, path, files, context.RequestAborted)];
        nodes.AddRange((await Task.WhenAll(others)).OrderBy(n => n.Node, StringComparer.Ordinal));
        await ApiJson.WriteAsync(
            context, new LocalityReport { Path = path, Nodes = nodes }, ProtocolJson.Default.LocalityReport);
    }

    private async Task ShowOwnAsync(HttpContext context)
    {
        string path = RequestTarget.RequiredText(context, "path");
        TreePath.Check(path);

        // Who asks has checked its caller against the path as it is written: no link of this tree leads elsewhere.
        FileEngine.Confine(new TreeScope([path]));
        int files = RequestTarget.Count(context, "files", DefaultFiles, 1, MostFiles);
        NodeLocality own = await LookAsync(node.Open, path, files, context.RequestAborted);
        await ApiJson.WriteAsync(context, own, ProtocolJson.Default.NodeLocality);
    }

    private static async Task<NodeLocality> AskAsync(
        HttpPeerLink link, PeerNode other, string path, int files, CancellationToken cancellationToken)
    {
        string target = $"{ApiRoutes.PeerLocality}?path={Uri.EscapeDataString(path)}"
            + $"&files={files.ToString(CultureInfo.InvariantCulture)}";
        NodeLocality answer;
        try
        {
            answer = await link.GetAsync(other, target, ProtocolJson.Default.NodeLocality, cancellationToken);
        }
        catch (Exception error) when (error is DataLayerException or OperationCanceledException)
        {
            answer = new NodeLocality { Node = other.Name, Failure = Failure(error) };
        }

        return answer with { Node = other.Name, Zone = other.Zone, IsSelf = false };
    }

    private async Task<NodeLocality> LookAsync(
        StorageNode open, string path, int files, CancellationToken cancellationToken)
    {
        await _walks.WaitAsync(cancellationToken);
        try
        {
            LocalityCount count = await open.Engine.CountLocalityAsync(path, files, cancellationToken);
            PeerNode? self = open.Peers?.Directory.Self;
            return new NodeLocality
            {
                Node = self?.Name ?? Environment.MachineName,
                Zone = self?.Zone,
                IsSelf = true,
                IsWhole = count.IsWhole,
                Files = count.Files,
                SizeBytes = count.SizeBytes,
                MemoryBytes = count.MemoryBytes,
                HotBytes = count.HotBytes,
                NearBytes = count.NearBytes,
            };
        }
        finally
        {
            _walks.Release();
        }
    }
}
