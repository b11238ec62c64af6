namespace DataLayer.Engine.Tiering.Packs;

/// <summary>
/// Brings moves that run side by side together where their files are packed: each takes a seat, and once every one has
/// either joined or gone, those that joined are packed as one batch. Any thread.
/// </summary>
internal sealed class PackGroup(Packer packer, int seats, int parallelism, CancellationToken cancellationToken)
    : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _steps = new(parallelism, parallelism);
    private readonly List<(PackFile File, TaskCompletionSource<string?> Done)> _joined = [];
    private int _awaited = seats;
    private Task _packing = Task.CompletedTask;

    /// <summary>Takes a seat; as many must be taken as the group has.</summary>
    public Seat Sit() => new(this);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _packing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _steps.Dispose();
    }

    private void Arrive(PackFile? file, TaskCompletionSource<string?> done)
    {
        lock (_lock)
        {
            if (file is { } joining)
            {
                _joined.Add((joining, done));
            }

            if (--_awaited == 0)
            {
                _packing = Task.Run(PackAsync, CancellationToken.None);
            }
        }
    }

    private async Task PackAsync()
    {
        try
        {
            List<PackFile> files = new(_joined.Count);
            _joined.ForEach(j => files.Add(j.File));
            IReadOnlyList<string?> reasons = await packer.PackAsync(files, again: false, cancellationToken)
                .ConfigureAwait(false);
            for (int i = 0; i < files.Count; i++)
            {
                _joined[i].Done.SetResult(reasons[i]);
            }
        }
        catch (OperationCanceledException)
        {
            _joined.ForEach(static j => j.Done.TrySetCanceled());
        }
        catch (Exception error)
        {
            _joined.ForEach(j => j.Done.TrySetException(error));
        }
    }

    /// <summary>One move's place in the group.</summary>
    internal sealed class Seat(PackGroup group) : IDisposable
    {
        private readonly TaskCompletionSource<string?> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private bool _hasArrived;

        /// <summary>Has the file packed with those of the others.</summary>
        /// <returns>Why it is in no pack; null where it is.</returns>
        public async ValueTask<string?> JoinAsync(PackFile file, CancellationToken cancellationToken)
        {
            _hasArrived = true;
            group.Arrive(file, _done);
            return await _done.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        }

        /// <summary>Waits until few enough of the group take a step; disposed, the next may.</summary>
        public async ValueTask<IDisposable> EnterAsync(CancellationToken cancellationToken)
        {
            await group._steps.WaitAsync(cancellationToken).ConfigureAwait(false);
            return new Turn(group._steps);
        }

        /// <summary>Gives the seat up: the others are not to wait for it.</summary>
        public void Dispose()
        {
            if (!_hasArrived)
            {
                _hasArrived = true;
                group.Arrive(null, _done);
            }
        }
    }

    private sealed class Turn(SemaphoreSlim steps) : IDisposable
    {
        public void Dispose() => steps.Release();
    }
}
