using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.Reading;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Tiering.Profiles;

/// <summary>
/// Access profiles: recorded while a job runs, kept by name in the state folder, merged, trimmed, and replayed as a
/// warm-up of exactly what was read.
/// </summary>
/// <remarks>
/// A recording lives in memory until it is stopped; a service that is killed meanwhile loses it. It sees the reads that
/// reach the engine: not those that the kernel's page cache answers, nor those of files that the kernel reads by
/// itself, so record a first pass, or one after the caches were dropped. Safe for concurrent use.
/// </remarks>
public sealed class ProfileService : IAsyncDisposable
{
    private readonly EngineContext _context;
    private readonly ProfileStore _store;
    private readonly ProfileRecorder _recorder;
    private readonly ProfileReplayer _replayer;
    private readonly SemaphoreSlim _saving = new(1, 1);

    internal ProfileService(EngineContext context, Recaller recaller)
    {
        _context = context;
        _store = new ProfileStore(
            context.Options.StateDirectory is { } state ? Path.Combine(state, "profiles") : null);
        _recorder = new ProfileRecorder(context);
        _replayer = new ProfileReplayer(context, recaller);
    }

    /// <summary>
    /// Begins to record what is read at and below a path, until <see cref="StopAsync"/> or for a time.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// NotFound: no such path. AlreadyExists: one of that name is being recorded. InvalidArgument, NotSupported,
    /// Overloaded.
    /// </exception>
    public async ValueTask<ProfileSummary> RecordAsync(
        string name, string path, TimeSpan? duration, CancellationToken cancellationToken)
    {
        _store.Check(name);
        if (duration is { } length && (length <= TimeSpan.Zero || length > TimeSpan.FromDays(7)))
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"A profile is recorded for more than no time and at most 7 days, not {length}.");
        }

        InodeAttributes folder = await _context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        string real = await _context.Tree.GetPathAsync(folder.Inode, cancellationToken).ConfigureAwait(false) ?? path;
        DateTimeOffset now = _context.Time.GetUtcNow();
        ProfileRecording recording = new(name, real, now, now + duration);
        await _recorder.BeginAsync(recording, cancellationToken).ConfigureAwait(false);
        if (duration is { } until)
        {
            _ = EndLaterAsync(recording, until);
        }

        return Summarize(recording);
    }

    /// <summary>Looks on at the reads at and below a path, as they come.</summary>
    /// <exception cref="DataLayerException">NotFound: no such path.</exception>
    public async ValueTask<AccessWatch> WatchAsync(string path, CancellationToken cancellationToken)
    {
        InodeAttributes folder = await _context.View.ResolveAsync(path, followLast: true, cancellationToken)
            .ConfigureAwait(false);
        AccessTap tap = new(
            await _context.Tree.GetPathAsync(folder.Inode, cancellationToken).ConfigureAwait(false) ?? path);
        await _recorder.AddAsync(tap, cancellationToken).ConfigureAwait(false);
        return new AccessWatch(_recorder, tap);
    }

    /// <summary>Ends a recording and keeps the profile, in place of one of that name.</summary>
    /// <exception cref="DataLayerException">NotFound: none of that name is being recorded.</exception>
    public async ValueTask<ProfileSummary> StopAsync(string name, CancellationToken cancellationToken)
    {
        _store.Check(name);
        ProfileRecording ended = await _recorder.EndAsync(name, cancellationToken).ConfigureAwait(false)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"No profile '{name}' is being recorded.");
        await ended.Ending.CancelAsync().ConfigureAwait(false);
        AccessProfile profile = ended.ToProfile(_context.Time.GetUtcNow());
        await SaveAsync(name, profile).ConfigureAwait(false);
        return Summarize(name, profile);
    }

    /// <summary>What is being recorded, then what is kept, each by name.</summary>
    public async ValueTask<IReadOnlyList<ProfileSummary>> ListAsync(CancellationToken cancellationToken)
    {
        List<ProfileSummary> all = await _recorder.LookAsync(Summarize, cancellationToken).ConfigureAwait(false);
        foreach (string name in _store.List())
        {
            try
            {
                all.Add(Summarize(name, await _store.ReadAsync(name, cancellationToken).ConfigureAwait(false)));
            }
            catch (DataLayerException error) when (error.Code != ErrorCode.NotFound)
            {
                all.Add(new ProfileSummary(name, "/", default, default, 0, 0, 0, 0, 0, Fault: error.Message));
            }
        }

        return all;
    }

    /// <summary>One profile that is kept.</summary>
    /// <exception cref="DataLayerException">NotFound; InvalidArgument: it is damaged.</exception>
    public ValueTask<AccessProfile> GetAsync(string name, CancellationToken cancellationToken) =>
        _store.ReadAsync(name, cancellationToken);

    /// <summary>Keeps the merged runs of several profiles under a name, which may be one of them.</summary>
    /// <exception cref="DataLayerException">NotFound: one is not there.</exception>
    public async ValueTask<ProfileSummary> MergeAsync(
        string name, IReadOnlyList<string> from, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(from);
        _store.Check(name);
        List<AccessProfile> profiles = [];
        foreach (string one in from)
        {
            profiles.Add(await _store.ReadAsync(one, cancellationToken).ConfigureAwait(false));
        }

        AccessProfile merged = AccessProfile.Merge(profiles);
        await SaveAsync(name, merged).ConfigureAwait(false);
        return Summarize(name, merged);
    }

    /// <summary>
    /// Keeps the part of a profile that <see cref="AccessProfile.Trim"/> leaves, under its name or another.
    /// </summary>
    /// <exception cref="DataLayerException">NotFound; InvalidArgument.</exception>
    public async ValueTask<ProfileSummary> TrimAsync(
        string name, string? to, double minShare, TimeSpan? maxTime, long? maxBytes,
        CancellationToken cancellationToken)
    {
        to ??= name;
        _store.Check(to);
        AccessProfile profile = await _store.ReadAsync(name, cancellationToken).ConfigureAwait(false);
        AccessProfile trimmed = profile.Trim(minShare, maxTime, maxBytes);
        await SaveAsync(to, trimmed).ConfigureAwait(false);
        return Summarize(to, trimmed);
    }

    /// <summary>
    /// Makes exactly the profile's blocks hot, in the order they were first read, foreground reads first; or only looks
    /// what that would be. Files that are gone are told, files that moved are found by their inode.
    /// </summary>
    /// <exception cref="DataLayerException">
    /// NotFound: no such profile. What fails at a file is told in the result.
    /// </exception>
    public async ValueTask<ProfileReplayResult> ReplayAsync(
        string name, bool isDryRun, IProgress<ProfileReplayResult>? progress, CancellationToken cancellationToken)
    {
        AccessProfile profile = await _store.ReadAsync(name, cancellationToken).ConfigureAwait(false);
        return await _replayer.RunAsync(profile, isDryRun, progress, cancellationToken).ConfigureAwait(false);
    }

    /// <summary>The inodes of a profile's files as they are today; <see cref="InodeId.None"/> for what is
    /// gone.</summary>
    internal async ValueTask<InodeId[]> FindAsync(AccessProfile profile, CancellationToken cancellationToken) =>
        (await _replayer.FindAsync(profile, cancellationToken).ConfigureAwait(false)).Inodes;

    /// <summary>A profile's bytes, to be kept elsewhere.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public ValueTask<byte[]> ExportAsync(string name, CancellationToken cancellationToken) =>
        _store.ReadBytesAsync(name, cancellationToken);

    /// <summary>Keeps a profile that was exported, in place of one of that name.</summary>
    /// <exception cref="DataLayerException">InvalidArgument: it is no profile.</exception>
    public async ValueTask<ProfileSummary> ImportAsync(string name, ReadOnlyMemory<byte> bytes)
    {
        _store.Check(name);
        AccessProfile profile = ProfileFormat.Read(bytes.Span);
        await SaveAsync(name, profile).ConfigureAwait(false);
        return Summarize(name, profile);
    }

    /// <summary>Forgets a profile.</summary>
    /// <exception cref="DataLayerException">NotFound.</exception>
    public void Remove(string name) => _store.Remove(name);

    /// <summary>Stops; what is being recorded is kept as it is by now.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (string name in await _recorder.LookAsync(static one => one.Name, CancellationToken.None)
            .ConfigureAwait(false))
        {
            await EndAsync(name).ConfigureAwait(false);
        }

        await _recorder.DisposeAsync().ConfigureAwait(false);
        _saving.Dispose();
    }

    internal void Start() => _recorder.Start();

    private static ProfileSummary Summarize(string name, AccessProfile profile) => new(
        name, profile.Path, profile.RecordedAt, profile.Duration, profile.RunCount, profile.Files.Count,
        profile.BlockCount, profile.SizeBytes, profile.MissedCount);

    private ProfileSummary Summarize(ProfileRecording recording) => new(
        recording.Name, recording.Path, recording.StartedAt, _context.Time.GetUtcNow() - recording.StartedAt, 1,
        recording.FileCount, recording.BlockCount, 0, recording.MissedCount, IsRecording: true, recording.EndsAt);

    private async Task EndLaterAsync(ProfileRecording recording, TimeSpan duration)
    {
        try
        {
            await Task.Delay(duration, _context.Time, recording.Ending.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return;
        }

        await EndAsync(recording.Name).ConfigureAwait(false);
    }

    private async Task EndAsync(string name)
    {
        try
        {
            await StopAsync(name, CancellationToken.None).ConfigureAwait(false);
        }
        catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
        {
            // Somebody stopped it at the same moment.
        }
        catch (DataLayerException error)
        {
            EngineLog.BackgroundFailed(_context.Log, "profile recording", error);
        }
    }

    private async ValueTask SaveAsync(string name, AccessProfile profile)
    {
        byte[] bytes = ProfileFormat.Write(profile);
        await _saving.WaitAsync().ConfigureAwait(false);
        try
        {
            _store.Save(name, bytes);
        }
        finally
        {
            _saving.Release();
        }
    }
}
