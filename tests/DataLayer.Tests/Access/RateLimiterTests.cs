using System.Net;
using DataLayer.Server.Access;

namespace DataLayer.Tests.Access;

public sealed class RateLimiterTests
{
    [Fact]
    public void A_second_of_requests_may_come_at_once_and_then_as_many_as_the_rate_lets()
    {
        SteppedClock clock = new();
        RateLimiter limiter = new(10, clock);

        Assert.All(Enumerable.Range(0, 10), _ => Assert.Null(limiter.Take("a")));
        Assert.Equal(TimeSpan.FromMilliseconds(100), limiter.Take("a"));
        Assert.Null(limiter.Take("b"));
        clock.Advance(TimeSpan.FromMilliseconds(300));
        Assert.Equal([true, true, true, false], Enumerable.Range(0, 4).Select(_ => limiter.Take("a") is null));
        clock.Advance(TimeSpan.FromHours(1));
        Assert.Equal(10, Enumerable.Range(0, 50).Count(_ => limiter.Take("a") is null));
        Assert.Equal(1 + 1 + 40, limiter.Refused);
    }

    [Fact]
    public async Task Callers_at_once_get_exactly_what_the_rate_lets()
    {
        RateLimiter limiter = new(1000, new SteppedClock());
        int[] passed = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(
            () => Enumerable.Range(0, 1000).Count(_ => limiter.Take("a") is null))));
        Assert.Equal(1000, passed.Sum());
    }

    [Fact]
    public void However_many_callers_come_only_so_many_are_kept()
    {
        SteppedClock clock = new();
        RateLimiter limiter = new(1, clock);
        for (int i = 0; i < RateLimiter.MaxCallers; i++)
        {
            Assert.Null(limiter.Take(new IPAddress(i)));
        }

        // All at work: strangers share one place. Later those that had their time are forgotten.
        Assert.Null(limiter.Take(IPAddress.Parse("2001:db8::1")));
        Assert.NotNull(limiter.Take(IPAddress.Parse("2001:db8::2")));
        clock.Advance(TimeSpan.FromSeconds(5));
        Assert.Null(limiter.Take(IPAddress.Parse("2001:db8::2")));
        Assert.Null(limiter.Take(IPAddress.Parse("2001:db8::3")));
    }

    [Fact]
    public void Without_a_rate_there_is_no_limit() => Assert.False(new RateLimiter(0, TimeProvider.System).IsOn);
}
