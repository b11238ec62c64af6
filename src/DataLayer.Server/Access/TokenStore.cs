using System.Collections.Frozen;
using System.Security.Cryptography;

namespace DataLayer.Server.Access;

/// <summary>
/// The tokens in force. The file is looked at again when a request comes a second after the last look, or brings a
/// token that is not known; where it changed all of it is checked, and then one immutable table takes the place of the
/// other. A file that is wrong changes nothing and is told with everything that is wrong; one that is gone ends all
/// tokens.
/// </summary>
/// <remarks>
/// Looking at the file when a request comes needs no thread, timer or watch. A revoked token ends within a second of
/// the next request, and a new one can be used at once.
/// </remarks>
internal sealed partial class TokenStore
{
    private static readonly TimeSpan _look = TimeSpan.FromSeconds(1);
    private static readonly byte[] _noHash = new byte[TokenText.HashBytes];
    private readonly string _path;
    private readonly TimeProvider _time;
    private readonly ILogger<TokenStore> _log;
    private readonly Lock _loading = new();
    private Table _table = Table.Empty;
    private FileMark _mark;
    private long _lookedAt;

    /// <summary>Reads the file for the first time.</summary>
    public TokenStore(string path, TimeProvider time, ILogger<TokenStore> log)
    {
        _path = path;
        _time = time;
        _log = log;
        lock (_loading)
        {
            _lookedAt = time.GetTimestamp();
            LoadLocked();
        }
    }

    /// <summary>How many tokens are in force, a count.</summary>
    public int Count => Volatile.Read(ref _table).ById.Count;

    /// <summary>
    /// Who holds the token of this text; a caller that is not known where nobody does, or not any more.
    /// </summary>
    public Caller Find(ReadOnlySpan<char> text)
    {
        LookAgain();
        if (TokenText.IdOf(text) is not { } id)
        {
            return Caller.Unknown("What the request gives as its token is none of this service.");
        }

        Span<byte> hash = stackalloc byte[TokenText.HashBytes];
        TokenText.Hash(text, hash);
        if (!Volatile.Read(ref _table).ById.TryGetValue(id, out Known? known))
        {
            LookNow();
            _ = Volatile.Read(ref _table).ById.TryGetValue(id, out known);
        }

        // Compared also where there is none, and never byte by byte: the time tells nothing.
        bool same = CryptographicOperations.FixedTimeEquals(hash, known is null ? _noHash : known.Token.Hash.Span);
        if (known is null || !same)
        {
            return Caller.Unknown($"The token {id} is not known: it was revoked, or is of another service.");
        }

        return OrExpired(known);
    }

    /// <summary>
    /// Whom a client certificate of this subject stands for; one that is not known where its time is over, null where
    /// nobody entered it.
    /// </summary>
    public Caller? FindSubject(string subject)
    {
        LookAgain();
        return Volatile.Read(ref _table).BySubject.TryGetValue(subject, out Known? known) ? OrExpired(known) : null;
    }

    /// <summary>Whether what a caller came by is in force still; its end is at most a second away from here.</summary>
    public bool IsInForce(AccessToken token)
    {
        LookAgain();
        return Volatile.Read(ref _table).ById.TryGetValue(token.Id, out Known? known)
            && known.Caller.Role == token.Role && known.Token.Scopes.SequenceEqual(token.Scopes, StringComparer.Ordinal)
            && OrExpired(known).Role is not null;
    }

    private Caller OrExpired(Known known) => known.Token.Expires is { } end && end <= _time.GetUtcNow()
        ? Caller.Unknown($"The token {known.Token.Id} has expired on {end.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z.")
        : known.Caller;

    private void LookAgain()
    {
        long last = Volatile.Read(ref _lookedAt);
        long now = _time.GetTimestamp();
        if (_time.GetElapsedTime(last, now) < _look || Interlocked.CompareExchange(ref _lookedAt, now, last) != last)
        {
            return;
        }

        LookNow();
    }

    private void LookNow()
    {
        lock (_loading)
        {
            if (FileMark.Of(_path) != _mark)
            {
                LoadLocked();
            }
        }
    }

    private void LoadLocked()
    {
        // Marked before it is read: a change in between is found at the next look.
        _mark = FileMark.Of(_path);
        TokenFileContent content = TokenFile.Read(_path);
        if (content.Problems.Count > 0)
        {
            foreach (string problem in content.Problems)
            {
                LogProblem(problem);
            }

            LogKept(_path, _table.ById.Count);
            return;
        }

        List<Known> known = [.. content.Tokens.Select(t => new Known(t, Caller.Of(t)))];
        Volatile.Write(ref _table, new Table(
            known.ToFrozenDictionary(k => k.Token.Id, StringComparer.Ordinal),
            known.Where(k => k.Token.Subject is not null)
                .ToFrozenDictionary(k => k.Token.Subject!, StringComparer.Ordinal)));
        LogLoaded(_path, known.Count);
    }

    [LoggerMessage(20, LogLevel.Information, "{Path} holds {Count} tokens, which are in force now")]
    private partial void LogLoaded(string path, int count);

    [LoggerMessage(21, LogLevel.Error, "Tokens: {Problem}")]
    private partial void LogProblem(string problem);

    [LoggerMessage(22, LogLevel.Error, "{Path} was not taken over; the {Count} tokens from before stay in force")]
    private partial void LogKept(string path, int count);

    private sealed record Known(AccessToken Token, Caller Caller);

    private sealed record Table(FrozenDictionary<string, Known> ById, FrozenDictionary<string, Known> BySubject)
    {
        public static Table Empty { get; } =
            new(FrozenDictionary<string, Known>.Empty, FrozenDictionary<string, Known>.Empty);
    }

    /// <summary>What tells one state of a file from another without reading it.</summary>
    private readonly record struct FileMark(long Ticks, long Length, UnixFileMode Mode)
    {
        public static FileMark Of(string path)
        {
            try
            {
                FileInfo file = new(path);
                return file.Exists
                    ? new FileMark(file.LastWriteTimeUtc.Ticks, file.Length, file.UnixFileMode)
                    : default;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return default;
            }
        }
    }
}
