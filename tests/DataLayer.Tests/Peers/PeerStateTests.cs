using DataLayer.Core.Errors;
using DataLayer.Engine.Peers;
using DataLayer.Tests.Access;

namespace DataLayer.Tests.Peers;

/// <summary>What is known of a node, and the bounds of what is under way.</summary>
public sealed class PeerStateTests
{
    private readonly SteppedClock _clock = new();

    [Fact]
    public void Three_failures_in_a_row_open_the_circuit_and_one_try_closes_it()
    {
        using Peer peer = New();
        Assert.True(peer.TryBegin(out CancellationToken first));
        Assert.False(peer.NoteFailure());
        Assert.False(peer.NoteFailure());
        peer.NoteAlive();
        Assert.False(peer.NoteFailure());
        Assert.False(peer.NoteFailure());
        Assert.True(peer.NoteFailure());
        Assert.True(first.IsCancellationRequested);
        Assert.False(peer.CanBeAsked);
        Assert.False(peer.TryBegin(out _));
        Assert.False(peer.NoteFailure()); // Of one that was under way.

        _clock.Advance(TimeSpan.FromSeconds(2));
        Assert.True(peer.CanBeAsked);
        Assert.True(peer.TryBegin(out CancellationToken trial));
        Assert.False(peer.CanBeAsked); // One tries, the others wait for what comes of it.
        Assert.False(peer.TryBegin(out _));
        peer.NoteAlive();
        Assert.True(peer.CanBeAsked);
        Assert.False(peer.IsOpen);
        Assert.False(trial.IsCancellationRequested);
    }

    [Fact]
    public void Each_pause_is_twice_the_one_before_up_to_a_bound()
    {
        using Peer peer = New();
        List<double> pauses = [];
        peer.NoteFailure();
        peer.NoteFailure();
        peer.NoteFailure();
        for (int i = 0; i < 7; i++)
        {
            int seconds = 0;
            while (!peer.CanBeAsked)
            {
                _clock.Advance(TimeSpan.FromSeconds(1));
                seconds++;
            }

            pauses.Add(seconds);
            Assert.True(peer.TryBegin(out _));
            Assert.True(peer.NoteFailure());
        }

        Assert.Equal([2, 4, 8, 16, 32, 32, 32], pauses);
        _clock.Advance(TimeSpan.FromSeconds(32));
        Assert.True(peer.TryBegin(out _));
        peer.NoteNothing(); // Its reader gave up: another may try.
        Assert.True(peer.TryBegin(out _));
    }

    [Fact]
    public void Hedges_are_a_twentieth_of_the_answers_after_a_first_burst()
    {
        using Peer peer = New();
        Assert.Equal(Peer.BurstLimit, Enumerable.Range(0, 100).Count(_ => peer.TrySpendToken()));
        for (int i = 0; i < 200; i++)
        {
            peer.NoteAlive();
        }

        Assert.Equal(10, Enumerable.Range(0, 100).Count(_ => peer.TrySpendToken()));
    }

    [Fact]
    public void The_bound_on_an_answer_follows_the_answers_within_limits()
    {
        using Peer peer = New();
        Assert.Equal(TimeSpan.FromMilliseconds(500), peer.AcceptDelay);
        Assert.Equal(TimeSpan.FromMilliseconds(500), peer.AnswerDelay(100_000));
        for (int i = 0; i < 100; i++)
        {
            peer.NoteAccepted(TimeSpan.FromMilliseconds(1));
            peer.NoteAnswered(100_000, TimeSpan.FromMilliseconds(40));
            peer.NoteAnswered(8 << 20, TimeSpan.FromSeconds(3));
        }

        Assert.Equal(TimeSpan.FromMilliseconds(20), peer.AcceptDelay);
        Assert.InRange(peer.AnswerDelay(100_000).TotalMilliseconds, 60, 100);
        Assert.Equal(TimeSpan.FromMilliseconds(500), peer.AnswerDelay(8 << 20));
    }

    [Fact]
    public async Task The_gate_lets_in_so_much_in_order_and_forgets_who_gave_up()
    {
        PeerGate gate = new(maxRequests: 2, maxBytes: 100, TimeProvider.System);
        TimeSpan long_ = TimeSpan.FromMinutes(10);
        Assert.True(await gate.EnterAsync(500, TimeSpan.Zero, default)); // One alone, however long.
        Assert.False(await gate.EnterAsync(1, TimeSpan.Zero, default));
        Task<bool> large = gate.EnterAsync(90, long_, default).AsTask();
        using CancellationTokenSource stop = new();
        Task<bool> givesUp = gate.EnterAsync(5, long_, stop.Token).AsTask();
        Task<bool> small = gate.EnterAsync(10, long_, default).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => givesUp);
        Assert.False(large.IsCompleted || small.IsCompleted);

        gate.Leave(500);

        Assert.True(await large);
        Assert.True(await small);
        Assert.Equal(2, gate.Requests);
        Task<bool> third = gate.EnterAsync(1, long_, default).AsTask();
        gate.Leave(10);
        Assert.True(await third);
        Assert.False(await gate.EnterAsync(1, TimeSpan.FromMilliseconds(1), default));
        gate.Leave(90);
        gate.Leave(1);
        Assert.Equal(0, gate.Requests);
    }

    [Fact]
    public void Bad_bounds_are_named_all_at_once()
    {
        DataLayerException error = Assert.Throws<DataLayerException>(() => new PeerOptions
        {
            MaxRequests = 0,
            MaxBytes = 1,
            MaxServedBytes = 1,
            MinHedgeDelay = TimeSpan.Zero,
            MaxHedgeDelay = TimeSpan.FromHours(1),
            Timeout = TimeSpan.Zero,
            FirstPause = TimeSpan.Zero,
        }.Validate());
        Assert.All(
            ["MaxRequests", "MaxBytes", "MaxServedBytes", "MinHedgeDelay", "MaxHedgeDelay", "Timeout", "FirstPause"],
            name => Assert.Contains(name + " is", error.Message, StringComparison.Ordinal));
        new PeerOptions().Validate();
    }

    [Theory]
    [InlineData("", "k", "e", 10, 0, 1)]
    [InlineData("s", "", "e", 10, 0, 1)]
    [InlineData("s", "k", "", 10, 0, 1)]
    [InlineData("s", "k", "e", 10, -1, 1)]
    [InlineData("s", "k", "e", 10, 0, 0)]
    [InlineData("s", "k", "e", 10, 5, 6)]
    [InlineData("s", "k", "e", 10, long.MaxValue, 1)]
    [InlineData("s", "k", "e", long.MaxValue, 0, PeerRequest.MaxBytes + 1)]
    public void A_range_that_cannot_be_is_refused(string store, string key, string etag, long size, long offset, int length) =>
        Assert.Equal(
            ErrorCode.InvalidArgument,
            Assert.Throws<DataLayerException>(() => new PeerRequest(store, key, etag, size, offset, length).Validate()).Code);

    private Peer New() => new(new PeerNode("b", null, null), new PeerOptions(), _clock);
}
