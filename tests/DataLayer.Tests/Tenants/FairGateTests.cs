using DataLayer.Engine.Tenants;
using DataLayer.Tests.Access;

namespace DataLayer.Tests.Tenants;

/// <summary>The gate before object stores and hot tier, driven step by step: whose transfers it lets start.</summary>
public sealed class FairGateTests
{
    private const int Limit = 64;
    private const long Contended = 16L << 20;
    private readonly SteppedClock _clock = new();

    [Fact]
    public void One_alone_has_the_whole_limit()
    {
        Gate gate = new(_clock, Make("only", TenantClass.Experiment));

        gate.Ask(0, 100, 1 << 20);

        Assert.Equal((Limit, 100 - Limit), gate.Of(0));
    }

    [Theory]
    [InlineData(1 << 20, 1 << 20, 1, 1)]
    [InlineData(8 << 20, 256 << 10, 1, 1)]
    [InlineData(1 << 20, 1 << 20, 3, 1)]
    public void Those_of_one_class_share_by_weight_in_bytes_whatever_their_sizes(
        int leftBytes, int rightBytes, int leftWeight, int rightWeight)
    {
        Gate gate = new(
            _clock, Make("left", TenantClass.Standard, leftWeight, 0), Make("right", TenantClass.Standard, rightWeight, 1));
        gate.Ask(0, 4000, leftBytes);
        gate.Ask(1, 4000, rightBytes);
        gate.Run(200);
        (long left, long right) = (gate.Bytes[0], gate.Bytes[1]);

        gate.Run(1000);

        double ratio = (double)(gate.Bytes[0] - left) / (gate.Bytes[1] - right);
        Assert.InRange(ratio * rightWeight / leftWeight, 0.9, 1.1);
    }

    [Fact]
    public void Production_goes_first_and_an_experiment_does_not_starve()
    {
        Gate gate = new(
            _clock, Make("serving", TenantClass.Production, 1, 0), Make("scan", TenantClass.Experiment, 1, 1));
        gate.Ask(1, 4000, 1 << 20);
        Assert.Equal(Limit, gate.Of(1).Active);
        gate.Ask(0, 4000, 1 << 20);
        gate.Run(Limit * 2); // What the scan had in flight ends.
        (long serving, long scan) = (gate.Bytes[0], gate.Bytes[1]);

        gate.Run(1700);

        Assert.InRange((double)(gate.Bytes[0] - serving) / (gate.Bytes[1] - scan), 14, 18);
        Assert.InRange((gate.Of(0).Active + gate.Of(1).Active) * (1L << 20), Contended, Contended + (1 << 20));
    }

    [Fact]
    public void A_lower_class_leaves_places_free_while_a_higher_one_is_there_and_takes_them_when_it_is_gone()
    {
        Gate gate = new(
            _clock, Make("serving", TenantClass.Production, 1, 0), Make("scan", TenantClass.Experiment, 1, 1));
        gate.Ask(0, 1, 1 << 20);
        gate.Ask(1, 100, 1 << 20);
        Assert.Equal((1, 99), gate.Of(1));

        gate.Run(1); // The one of production: it is there for a moment longer.
        Assert.Equal(1, gate.Of(1).Active);

        _clock.Advance(FairGate.Linger + TimeSpan.FromMilliseconds(1));
        gate.Run(1);
        Assert.Equal(Limit, gate.Of(1).Active);
    }

    [Fact]
    public void Who_was_away_is_not_owed_what_it_left()
    {
        Gate gate = new(
            _clock, Make("left", TenantClass.Standard, 1, 0), Make("right", TenantClass.Standard, 1, 1));
        gate.Ask(0, 1, 1 << 20);
        gate.Ask(1, 4000, 1 << 20);
        gate.Run(1000);
        gate.Ask(0, 4000, 1 << 20);
        (long left, long right) = (gate.Bytes[0], gate.Bytes[1]);

        gate.Run(1000);

        Assert.InRange((double)(gate.Bytes[0] - left) / (gate.Bytes[1] - right), 0.9, 1.1);
    }

    [Fact]
    public async Task Any_mixture_of_turns_and_of_those_who_give_up_ends_with_nothing_held()
    {
        Tenant[] tenants =
        [
            Make("a", TenantClass.Production, 2, 0), Make("b", TenantClass.Standard, 1, 1), Make("c", TenantClass.Experiment, 5, 2),
        ];
        FairGate gate = new(8, 8 << 20, TimeProvider.System);
        int inFlight = 0, most = 0, served = 0, given = 0;
        for (int i = 0; i < 8; i++)
        {
            await gate.EnterAsync(tenants[0], 1, CancellationToken.None);
        }

        using (CancellationTokenSource gone = new())
        {
            Task waiting = gate.EnterAsync(tenants[1], 1, gone.Token).AsTask();
            Assert.Equal((0, 1), gate.Of(tenants[1]));
            await gone.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
            Assert.Equal((8, 0), (gate.Active, gate.Waiting));
        }

        async Task WorkAsync(int seed)
        {
            Random random = new(seed);
            for (int i = 0; i < 300; i++)
            {
                Tenant tenant = tenants[random.Next(tenants.Length)];
                int bytes = random.Next(1, 4 << 20);
                using CancellationTokenSource patience = new();
                ValueTask turn = gate.EnterAsync(tenant, bytes, patience.Token);
                if (random.Next(4) == 0)
                {
                    await patience.CancelAsync();
                }

                try
                {
                    await turn;
                }
                catch (OperationCanceledException)
                {
                    Interlocked.Increment(ref given);
                    continue;
                }

                int now = Interlocked.Increment(ref inFlight);
                InterlockedMax(ref most, now);
                await Task.Yield();
                Interlocked.Decrement(ref inFlight);
                Interlocked.Increment(ref served);
                gate.Leave(tenant, bytes);
            }
        }

        Task all = Task.WhenAll(Enumerable.Range(0, 24).Select(seed => Task.Run(() => WorkAsync(seed))));
        for (int i = 0; i < 8; i++)
        {
            gate.Leave(tenants[0], 1);
        }

        await all.WaitAsync(TimeSpan.FromMinutes(2));
        Assert.Equal(24 * 300, served + given);
        Assert.InRange(most, 1, 8); // Those the test held at the start are not among them.
        Assert.Equal((0, 0), (gate.Active, gate.Waiting));
        Assert.All(tenants, tenant => Assert.Equal((0, 0), gate.Of(tenant)));
    }

    private static Tenant Make(string name, TenantClass tenantClass, int weight = 1, int index = 0) =>
        new(new TenantOptions { Name = name, Folder = "/" + name, Class = tenantClass, Weight = weight }, index);

    private static void InterlockedMax(ref int most, int value)
    {
        for (int known = Volatile.Read(ref most); known < value;)
        {
            int found = Interlocked.CompareExchange(ref most, value, known);
            if (found == known)
            {
                return;
            }

            known = found;
        }
    }

    /// <summary>A gate whose transfers end in the order in which they began, one a step.</summary>
    private sealed class Gate(TimeProvider time, params Tenant[] tenants)
    {
        private readonly FairGate _gate = new(Limit, Contended, time);
        private readonly Queue<int> _running = [];
        private readonly int[] _sizes = new int[tenants.Length];

        /// <summary>What each tenant began to bring, bytes.</summary>
        public long[] Bytes { get; } = new long[tenants.Length];

        public (int Active, int Waiting) Of(int tenant) => _gate.Of(tenants[tenant]);

        public void Ask(int tenant, int count, int bytes)
        {
            _sizes[tenant] = bytes;
            for (int i = 0; i < count; i++)
            {
                Watch(() => _ = _gate.EnterAsync(tenants[tenant], bytes, CancellationToken.None).AsTask());
            }
        }

        public void Run(int steps)
        {
            for (int i = 0; i < steps; i++)
            {
                int ended = _running.Dequeue();
                Watch(() => _gate.Leave(tenants[ended], _sizes[ended]), ended);
            }
        }

        private void Watch(Action action, int ended = -1)
        {
            int[] before = [.. tenants.Select(t => _gate.Of(t).Active)];
            action();
            for (int i = 0; i < tenants.Length; i++)
            {
                int started = _gate.Of(tenants[i]).Active - before[i] + (i == ended ? 1 : 0);
                for (int n = 0; n < started; n++)
                {
                    _running.Enqueue(i);
                    Bytes[i] += _sizes[i];
                }
            }
        }
    }
}
