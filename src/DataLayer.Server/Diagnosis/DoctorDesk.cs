using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Configuration;
using DataLayer.Server.Hosting;
using DataLayer.Server.Http;
using DataLayer.Server.Mounts;

namespace DataLayer.Server.Diagnosis;

/// <summary>
/// Keeps samples of the last quarter of an hour, so that the doctor can look back at once, and answers
/// <c>GET /api/v1/doctor</c>. A sample is a few sums over counters; one is taken every ten seconds.
/// </summary>
internal sealed class DoctorDesk : IDisposable
{
    private const int MaxWindowSeconds = 900;
    private static readonly TimeSpan _interval = TimeSpan.FromSeconds(10);
    private readonly NodeHost _host;
    private readonly MountHost _mounts;
    private readonly HostProbe _probe;
    private readonly ServerConfiguration _configuration;
    private readonly TimeProvider _time;
    private readonly Queue<DoctorSample> _samples = new();
    private readonly Lock _lock = new();
    private readonly ITimer _timer;

    /// <summary>Begins to take samples.</summary>
    public DoctorDesk(
        NodeHost host, MountHost mounts, HostProbe probe, ServerConfiguration configuration, TimeProvider time)
    {
        (_host, _mounts, _probe, _configuration, _time) = (host, mounts, probe, configuration, time);
        _timer = time.CreateTimer(static desk => ((DoctorDesk)desk!).Sample(), this, TimeSpan.Zero, _interval);
    }

    /// <summary>The operation.</summary>
    public IEnumerable<ApiOperation> GetOperations()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Doctor, "doctor", "Why readers wait, and the one setting to change for each cause.",
            DiagnoseAsync)
        {
            Access = ApiAccess.Observe,
            Tag = "upkeep",
            Answer = typeof(DoctorReport),
            Parameters =
            [
                new("seconds", ApiParameterPlace.Query, "integer", "The window's length, 1 to 900. Default 60."),
                new("ahead", ApiParameterPlace.Query, "boolean",
                    "Look at the next so many seconds instead of the last, and answer then."),
            ],
        };
    }

    /// <inheritdoc/>
    public void Dispose() => _timer.Dispose();

    private async Task DiagnoseAsync(HttpContext context)
    {
        int seconds = RequestTarget.Count(context, "seconds", 60, 1, MaxWindowSeconds);
        bool isAhead = RequestTarget.Flag(context, "ahead");
        StorageNode node = _host.Open;
        TimeSpan length = TimeSpan.FromSeconds(seconds);
        DoctorSample? before = isAhead ? null : Find(length);
        if (before is null)
        {
            before = Take(node);
            await Task.Delay(isAhead ? length : TimeSpan.FromSeconds(1), _time, context.RequestAborted);
        }

        DoctorReport report = Diagnosis.Find(
            new DoctorWindow(before, Take(node)), DoctorSettings.Of(_configuration, node.Stores.FindOptions));
        await ApiJson.WriteAsync(context, report, ProtocolJson.Default.DoctorReport);
    }

    /// <summary>The youngest sample that is as old as asked, else the oldest that makes a window; null for none.
    /// </summary>
    private DoctorSample? Find(TimeSpan age)
    {
        TimeSpan now = _time.GetElapsedTime(0);
        lock (_lock)
        {
            DoctorSample? oldest = _samples.TryPeek(out DoctorSample? first) && now - first.At >= _interval / 10
                ? first
                : null;
            return _samples.LastOrDefault(s => now - s.At >= age) ?? oldest;
        }
    }

    private void Sample()
    {
        if (_host.Node is not { } node)
        {
            return;
        }

        try
        {
            DoctorSample sample = Take(node);
            lock (_lock)
            {
                _samples.Enqueue(sample);
                while (_samples.Count > (MaxWindowSeconds / _interval.TotalSeconds) + 1)
                {
                    _samples.Dequeue();
                }
            }
        }
        catch (ObjectDisposedException)
        {
            // The node closes.
        }
    }

    private DoctorSample Take(StorageNode node) => DoctorSample.Take(node, _mounts.List().Mounts, _probe, _time);
}
