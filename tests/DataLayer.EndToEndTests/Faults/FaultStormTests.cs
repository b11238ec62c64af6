using System.Collections.Concurrent;
using DataLayer.Core.Errors;
using DataLayer.EndToEndTests.Load;
using DataLayer.TestSupport.Origins;
using Xunit.Abstractions;

namespace DataLayer.EndToEndTests.Faults;

/// <summary>Thousands of reads against an origin that breaks a third of all requests in every way it can, chosen by a seed.</summary>
public sealed class FaultStormTests(ITestOutputHelper output)
{
    private const int FileCount = 300;
    private const int Readers = 48;

    [Fact]
    public async Task Ten_thousand_faulted_requests_give_right_bytes_or_an_error_and_never_wrong_ones()
    {
        var seed = TestSeed.Take(output);
        var target = TestSeed.Count("DATALAYER_FAULT_COUNT", 10_000);
        var random = new Random(seed);
        await using var it = await Installation.StartWithOriginAsync(seed: seed);
        for (var i = 0; i < FileCount; i++)
        {
            it.Origin.Put(Installation.Bucket, $"data/{i}", FileOf(i).ToBytes());
        }

        await it.AttachAsync();
        var acts = new ConcurrentDictionary<OriginAct, int>();
        it.Origin.Script = request => Choose(request, random, acts);
        var (right, failed, passes) = (0, 0, 0);
        var codes = new ConcurrentDictionary<ErrorCode, int>();
        while (acts.Values.Sum() < target)
        {
            passes++;
            var next = -1;
            await Task.WhenAll(Enumerable.Range(0, Readers).Select(reader => Task.Run(async () =>
            {
                while (Interlocked.Increment(ref next) is var file && file < FileCount)
                {
                    try
                    {
                        var bytes = await it.ReadAsync($"/data/{file}");
                        Assert.True(bytes.AsSpan().SequenceEqual(FileOf(file).ToBytes()), $"Wrong bytes of file {file}, seed {seed}.");
                        Interlocked.Increment(ref right);
                    }
                    catch (DataLayerException e)
                    {
                        codes.AddOrUpdate(e.Code, 1, (_, count) => count + 1);
                        Interlocked.Increment(ref failed);
                    }
                }
            })));
            await it.EvictAsync("/data", hot: true);
        }

        it.Origin.Script = _ => OriginScript.Serve;
        for (var i = 0; i < FileCount; i++)
        {
            Assert.Equal(FileOf(i).ToBytes(), await it.ReadAsync($"/data/{i}"));
        }

        await it.CheckCleanAsync();
        output.WriteLine($"{acts.Values.Sum()} faulted requests in {passes} passes: {right} reads right, {failed} failed");
        output.WriteLine(string.Join(", ", acts.Select(act => $"{act.Key} {act.Value}")));
        output.WriteLine(string.Join(", ", codes.Select(code => $"{code.Key} {code.Value}")));
        Assert.All(codes.Keys, code => Assert.Contains(code, new[] { ErrorCode.OriginUnavailable, ErrorCode.TimedOut, ErrorCode.Corrupt, ErrorCode.Overloaded }));
        Assert.True(right > failed, "Most reads should get through a storm that breaks a third of the requests.");
    }

    private static OriginScript Choose(OriginRequest request, Random random, ConcurrentDictionary<OriginAct, int> acts)
    {
        if (request.Verb != "GET")
        {
            return OriginScript.Serve;
        }

        int draw;
        lock (random)
        {
            draw = random.Next(18);
        }

        OriginScript script = draw switch
        {
            0 => OriginAct.ResetBefore,
            1 => OriginAct.ResetAfter,
            2 => OriginAct.Truncate,
            3 => OriginAct.Flip,
            4 => OriginScript.SlowDown,
            5 => new OriginScript(OriginAct.Refuse, 500, "InternalError"),
            _ => OriginScript.Serve,
        };
        if (script.Act != OriginAct.Serve)
        {
            acts.AddOrUpdate(script.Act, 1, (_, count) => count + 1);
        }

        return script;
    }

    /// <summary>Small and mid-sized files: most go to segments, some to stripes.</summary>
    private static Content FileOf(int file) => new((ulong)file + 1000, 1 + (file * 7919 % 150_000));
}
