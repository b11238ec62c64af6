using DataLayer.Client;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;
using DataLayer.TestSupport;
using DataLayer.TestSupport.Origins;
using DataLayer.TestSupport.Service;

namespace DataLayer.EndToEndTests;

/// <summary>
/// A service of its own for one test, with a scripted origin where the test wants one. Disposed, all of it is gone; the
/// service's log is among the results.
/// </summary>
internal sealed class Installation : IAsyncDisposable
{
    internal const string Bucket = "bucket";
    private readonly TempFolder _folder;

    private Installation(TempFolder folder, ScriptedS3? origin, ServiceProcess service)
    {
        (_folder, Origin, Service) = (folder, origin!, service);
    }

    /// <summary>The running service.</summary>
    internal ServiceProcess Service { get; }

    /// <summary>The scripted origin, where it was asked for.</summary>
    internal ScriptedS3 Origin { get; }

    /// <summary>A client of the running service that does not retry.</summary>
    internal DataLayerClient Client => Service.Client;

    /// <summary>A folder of the test's own.</summary>
    internal TempFolder Folder => _folder;

    /// <summary>Starts a service without an origin.</summary>
    internal static Task<Installation> StartAsync(Func<ServiceSettings, ServiceSettings>? change = null) => StartAsync(origin: null, change);

    /// <summary>Starts a service and a scripted origin with an empty bucket.</summary>
    internal static async Task<Installation> StartWithOriginAsync(Func<ServiceSettings, ServiceSettings>? change = null, int seed = 1)
    {
        var origin = await ScriptedS3.StartAsync(seed);
        origin.MakeBucket(Bucket);
        return await StartAsync(origin, change);
    }

    /// <summary>Attaches the scripted bucket's prefix <c>data/</c> at <c>/data</c>.</summary>
    internal ValueTask<AttachmentStatus> AttachAsync(
        AttachmentMode mode = AttachmentMode.ReadOnly,
        FreshnessMode freshness = FreshnessMode.Immutable,
        FlushMode flush = FlushMode.WriteBack,
        string path = "/data",
        string prefix = "data") => Client.Admin.AttachAsync(new AttachCommand
        {
            Source = $"s3://{Bucket}/{prefix}",
            Path = path,
            Mode = mode,
            Freshness = freshness,
            Flush = flush,
        });

    /// <summary>Reads a whole file.</summary>
    internal async Task<byte[]> ReadAsync(string path)
    {
        using var bytes = await Client.ReadFileAsync(path);
        return bytes.Memory.ToArray();
    }

    /// <summary>Does something that must fail, and returns how.</summary>
    internal static async Task<DataLayerException> FailureOf(Func<Task> action) => await Assert.ThrowsAsync<DataLayerException>(action);

    /// <summary>Checks that fsck finds nothing.</summary>
    internal async Task CheckCleanAsync()
    {
        var check = await Client.Admin.CheckAsync();
        Assert.Equal([], check.Problems.Select(problem => $"{problem.Kind} {problem.Inode}: {problem.Message}"));
        Assert.True(check.Clean);
    }

    /// <summary>Drops copies in memory, and where asked the hot ones too, so that the next read comes from the tier below.</summary>
    internal async Task EvictAsync(string path = "/", bool hot = false) => await Client.Admin.EvictAsync(path, hot);

    public async ValueTask DisposeAsync()
    {
        await Service.DisposeAsync();
        if (Origin is not null)
        {
            await Origin.DisposeAsync();
        }

        _folder.Dispose();
    }

    private static async Task<Installation> StartAsync(ScriptedS3? origin, Func<ServiceSettings, ServiceSettings>? change)
    {
        var folder = new TempFolder("service");
        try
        {
            var settings = new ServiceSettings { StateFolder = folder.Combine("state") };
            settings = origin is null ? settings : settings with { Stores = [new StoreSettings(origin.Endpoint)] };
            return new Installation(folder, origin, await ServiceProcess.StartAsync(change?.Invoke(settings) ?? settings));
        }
        catch
        {
            folder.Dispose();
            if (origin is not null)
            {
                await origin.DisposeAsync();
            }

            throw;
        }
    }
}
