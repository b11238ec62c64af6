using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;
using DataLayer.Server.Hosting;
using DataLayer.Storage.Objects;

namespace DataLayer.Server.Http;

/// <summary>Object stores added while the service runs: per-volume keys of the CSI driver.</summary>
internal sealed class StoreEndpoints(NodeHost node) : IDisposable
{
    private readonly SemaphoreSlim _one = new(1, 1);

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "POST", ApiRoutes.Stores, "defineStore", "Adds an S3 store with keys of its own, or replaces its keys.",
            DefineAsync)
        {
            Tag = "stores",
            Body = typeof(DefineStoreCommand),
            Statuses = [204],
        };
        yield return new ApiOperation(
            "DELETE", ApiRoutes.Stores, "removeStore", "Forgets a store added by the API, with its keys.", RemoveAsync)
        {
            Tag = "stores",
            Statuses = [204],
            Parameters = [new("name", ApiParameterPlace.Query, "string", "The store's name.", Required: true)],
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _one.Dispose();

    private async Task DefineAsync(HttpContext context)
    {
        DefineStoreCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.DefineStoreCommand);
        Check(command);
        ObjectStoreOptions options = new()
        {
            Name = command.Name,
            Kind = "s3",
            Endpoint = command.Endpoint,
            Region = command.Region ?? "us-east-1",
            PathStyle = command.PathStyle,
            AccessKey = command.AccessKey,
            SecretKey = command.SecretKey,
            SessionToken = command.SessionToken,
        };
        StorageNode open = node.Open;
        await _one.WaitAsync(context.RequestAborted);
        try
        {
            if (open.Stores.Define(options))
            {
                open.DefinedStores.Save(options);
                open.Engine.ReopenStore(options.Name);
            }
        }
        finally
        {
            _one.Release();
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private async Task RemoveAsync(HttpContext context)
    {
        string name = RequestTarget.RequiredText(context, "name");
        StorageNode open = node.Open;
        await _one.WaitAsync(context.RequestAborted);
        try
        {
            if ((await open.Engine.ListAttachmentsAsync(context.RequestAborted))
                .FirstOrDefault(a => a.StoreName == name) is { } user)
            {
                throw new DataLayerException(
                    ErrorCode.NotEmpty, $"Store '{name}' is used by the attachment '{user.Path}': detach it first.");
            }

            if (!open.Stores.Forget(name))
            {
                throw new DataLayerException(ErrorCode.NotFound, $"There is no store '{name}' that the API added.");
            }

            open.DefinedStores.Remove(name);
        }
        finally
        {
            _one.Release();
        }

        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private static void Check(DefineStoreCommand command)
    {
        if (!DefinedStores.IsName(command.Name))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "name is not a store's: letters, digits, '-', '_', '.', at most 200.");
        }

        bool isUrl = command.Endpoint is null
            || (Uri.TryCreate(command.Endpoint, UriKind.Absolute, out Uri? uri)
                && uri.Scheme is "http" or "https" && uri.PathAndQuery == "/" && uri.UserInfo.Length == 0);
        if (!isUrl)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "endpoint is not a server's URL: write http://host:port or https://host.");
        }

        // In the configuration such a text names a variable or a file of the service; a caller must not read those.
        foreach (string? key in new[] { command.AccessKey, command.SecretKey, command.SessionToken })
        {
            if (key is not null
                && (key.Trim().Length == 0 || key.StartsWith("env:", StringComparison.Ordinal)
                    || key.StartsWith("file:", StringComparison.Ordinal)))
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument, "A key is empty, or a reference (env:, file:): give the key itself.");
            }
        }
    }
}
