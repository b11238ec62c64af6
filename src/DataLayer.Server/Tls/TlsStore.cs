using System.Net.Security;
using DataLayer.Core.Errors;

namespace DataLayer.Server.Tls;

/// <summary>
/// The certificate in force. The files are looked at again when a connection comes a second after the last look; where
/// they changed, all of them are checked and then take the place of the others. A change that is wrong (also one half
/// done: a new certificate beside an old key) changes nothing and is told once.
/// </summary>
/// <remarks>Connections that are open keep what they were opened with.</remarks>
internal sealed partial class TlsStore
{
    private static readonly TimeSpan _look = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _soon = TimeSpan.FromDays(14);
    private readonly TlsConfiguration _configuration;
    private readonly TimeProvider _time;
    private readonly ILogger<TlsStore> _log;
    private readonly Lock _loading = new();
    private TlsMaterial _material;
    private string _mark;
    private long _lookedAt;

    /// <summary>Reads the files for the first time.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: with everything that is wrong.</exception>
    public TlsStore(TlsConfiguration configuration, TimeProvider time, ILogger<TlsStore> log)
    {
        _configuration = configuration;
        _time = time;
        _log = log;
        _lookedAt = time.GetTimestamp();
        _mark = TlsMaterial.MarkOf(configuration);
        List<TlsProblem> problems = [];
        _material = TlsMaterial.Read(configuration, time.GetUtcNow(), problems)
            ?? throw new DataLayerException(
                ErrorCode.InvalidArgument,
                string.Join(
                    Environment.NewLine,
                    problems.Select(p => $"listen.tls.{p.Setting}: {p.Message} {p.Remedy}")));
        Tell(_material);
    }

    /// <summary>When the certificate in force ends.</summary>
    public DateTimeOffset Expires => Volatile.Read(ref _material).Expires;

    /// <summary>What a new connection is to be answered with.</summary>
    public SslServerAuthenticationOptions MakeOptions()
    {
        LookAgain();
        return Volatile.Read(ref _material).MakeOptions();
    }

    private void LookAgain()
    {
        long last = Volatile.Read(ref _lookedAt);
        long now = _time.GetTimestamp();
        if (_time.GetElapsedTime(last, now) < _look || Interlocked.CompareExchange(ref _lookedAt, now, last) != last)
        {
            return;
        }

        lock (_loading)
        {
            // Marked before it is read: a change in between is found at the next look.
            string mark = TlsMaterial.MarkOf(_configuration);
            if (mark == _mark)
            {
                return;
            }

            _mark = mark;
            List<TlsProblem> problems = [];
            if (TlsMaterial.Read(_configuration, _time.GetUtcNow(), problems) is { } material)
            {
                Volatile.Write(ref _material, material);
                Tell(material);
                return;
            }

            foreach (TlsProblem problem in problems)
            {
                LogProblem(problem.Setting, problem.Message, problem.Remedy);
            }

            LogKept(_material.Subject, _material.Expires);
        }
    }

    private void Tell(TlsMaterial material)
    {
        LogLoaded(material.Subject, material.Expires);
        if (material.Expires - _time.GetUtcNow() < _soon)
        {
            LogSoon(material.Subject, material.Expires);
        }
    }

    [LoggerMessage(30, LogLevel.Information, "The certificate of '{Subject}' is in force; it ends on {Expires:u}")]
    private partial void LogLoaded(string subject, DateTimeOffset expires);

    [LoggerMessage(31, LogLevel.Warning, "The certificate of '{Subject}' ends on {Expires:u}: renew it")]
    private partial void LogSoon(string subject, DateTimeOffset expires);

    [LoggerMessage(32, LogLevel.Error, "listen.tls.{Setting}: {Problem} {Remedy}")]
    private partial void LogProblem(string setting, string problem, string remedy);

    [LoggerMessage(
        33, LogLevel.Error,
        "What changed was not taken over; the certificate of '{Subject}' (until {Expires:u}) stays in force")]
    private partial void LogKept(string subject, DateTimeOffset expires);
}
