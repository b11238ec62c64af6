using System.Collections.Concurrent;
using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Objects;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Reading;

/// <summary>
/// Brings objects out of archives: asks for a restore once in a while for each, and says or waits until it is done.
/// What was asked is known to the store; what is kept here only saves requests.
/// </summary>
internal sealed class ArchiveRestores(EngineContext context)
{
    private const int MaxKept = 100_000;
    private static readonly TimeSpan _askAgain = TimeSpan.FromHours(1);
    private readonly ConcurrentDictionary<(long AttachmentId, string Key), DateTimeOffset> _asked = new();

    private ArchiveOptions Options => context.Options.Archive;

    /// <summary>
    /// A read met an archived object: returns when it is readable, where reads wait; else throws what the reader sees.
    /// </summary>
    /// <exception cref="DataLayerException">Archived.</exception>
    public async ValueTask OnReadAsync(
        ObjectReference source, DataLayerException error, CancellationToken cancellationToken)
    {
        if (Options.Reads == ArchiveReads.Refuse)
        {
            throw Refusal(
                source, error, "Reads do not restore it here (engine.archiveReads): recall it by a plan or a warm-up.");
        }

        DateTimeOffset asked = await AskAsync(source, cancellationToken).ConfigureAwait(false);
        string since = string.Create(
            CultureInfo.InvariantCulture, $"A restore was asked for at {asked.UtcDateTime:yyyy-MM-dd HH:mm:ss}Z");
        if (Options.Reads == ArchiveReads.Restore)
        {
            throw Refusal(source, error, $"{since}; try again later.");
        }

        DateTimeOffset until = context.Time.GetUtcNow() + Options.WaitLimit;
        while (await IsRestoringAsync(source, cancellationToken).ConfigureAwait(false))
        {
            if (context.Time.GetUtcNow() >= until)
            {
                throw Refusal(source, error, $"{since} and is not done after {Options.WaitLimit}; try again later.");
            }

            await Task.Delay(Options.LookEvery, context.Time, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>Asks for a restore, unless it was asked for lately.</summary>
    /// <returns>When it was asked.</returns>
    public async ValueTask<DateTimeOffset> AskAsync(ObjectReference source, CancellationToken cancellationToken)
    {
        DateTimeOffset now = context.Time.GetUtcNow();
        (long, string) key = (source.AttachmentId, source.Key);
        if (_asked.TryGetValue(key, out DateTimeOffset before) && now - before < _askAgain)
        {
            return before;
        }

        if (_asked.Count >= MaxKept)
        {
            _asked.Clear();
        }

        _asked[key] = now;
        try
        {
            await context.Attachments.StoreOf(source.AttachmentId)
                .RestoreAsync(source.Key, Options.RestoreDays, Options.RestoreSpeed, cancellationToken)
                .ConfigureAwait(false);
            return now;
        }
        catch
        {
            _asked.TryRemove(key, out _);
            throw;
        }
    }

    /// <summary>Whether a restore that was asked for is still under way.</summary>
    public async ValueTask<bool> IsRestoringAsync(ObjectReference source, CancellationToken cancellationToken)
    {
        ObjectProperties? seen = await context.Attachments.StoreOf(source.AttachmentId)
            .HeadAsync(source.Key, cancellationToken).ConfigureAwait(false);
        return seen is { IsRestoring: true };
    }

    private DataLayerException Refusal(ObjectReference source, DataLayerException error, string what) => new(
        ErrorCode.Archived,
        $"Object '{source.Key}' is in an archive{(source.StorageClass is { } name ? $" ({name})" : string.Empty)} and "
        + $"cannot be read at once. {what}",
        error)
    {
        RetryAfter = Options.LookEvery,
    };
}
