using DataLayer.Engine.Files.State;

namespace DataLayer.Engine.Files.Upkeep;

/// <summary>Looks now and then for segments worth compaction.</summary>
internal sealed class Compactor(EngineContext context, Mover mover) : IAsyncDisposable
{
    private Task _loop = Task.CompletedTask;

    public void Start()
    {
        if (context.Options.CompactionInterval > TimeSpan.Zero)
        {
            _loop = Task.Run(LoopAsync);
        }
    }

    public async ValueTask DisposeAsync() => await _loop.ConfigureAwait(false);

    private async Task LoopAsync()
    {
        while (true)
        {
            try
            {
                await Task.Delay(context.Options.CompactionInterval, context.Time, context.Stopping)
                    .ConfigureAwait(false);
                await mover.CompactAsync(context.Stopping).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (context.Stopping.IsCancellationRequested)
            {
                return;
            }
            catch (Exception error)
            {
                EngineLog.BackgroundFailed(context.Log, "compaction", error);
            }
        }
    }
}
