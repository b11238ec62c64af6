using DataLayer.Core.Errors;
using DataLayer.Engine.Tiering.Simulation;

namespace DataLayer.Tests.Tiering.Simulation;

public sealed class AccessTraceReaderTests
{
    [Fact]
    public void Lines_are_accesses_in_the_order_of_time()
    {
        AccessTrace trace = Read("# start 2026-03-02T00:00:00Z\n# a comment\n\n86400 r 5 /b set risk\n-60.5 write 10 /a\n86400 read 7 /a\n90000\td\t0\t/with blank\t-\n");
        Assert.Equal(new DateTimeOffset(2026, 3, 2, 0, 0, 0, TimeSpan.Zero), trace.Start);
        Assert.Equal(TimeSpan.FromDays(2), trace.Length);
        Assert.Equal([new TraceFile("/b", "set", "risk"), new TraceFile("/a", null, null), new TraceFile("/with blank", null, null)], trace.Files);
        Assert.Equal(
            [
                new TraceEvent(TimeSpan.FromSeconds(-60.5), TraceAction.Write, 1, 10),
                new TraceEvent(TimeSpan.FromDays(1), TraceAction.Read, 0, 5),
                new TraceEvent(TimeSpan.FromDays(1), TraceAction.Read, 1, 7),
                new TraceEvent(TimeSpan.FromSeconds(90000), TraceAction.Delete, 2, 0),
            ], trace.Events);
    }

    [Fact]
    public void Bad_lines_are_told_together_with_their_numbers()
    {
        DataLayerException fault = Assert.Throws<DataLayerException>(() =>
            Read("# start soon\n1 r 5\nx r 5 /a\n1 look 5 /a\n1 r -5 /a\n1 r 5 a\n"));
        Assert.Equal(ErrorCode.InvalidArgument, fault.Code);
        Assert.Equal(
            [
                "The trace has bad lines:", "t:1: the start is not a time, as 2026-03-02T00:00:00Z",
                "t:2: 3 fields; write SECONDS ACTION BYTES PATH [DATASET [TENANT [OFFSET]]]", "t:3: 'x' is not a number of seconds",
                "t:4: 'look' is not an action: write, read or delete", "t:5: '-5' is not a number of bytes", "t:6: 'a' is not a path from '/'",
            ], fault.Message.Split('\n'));
        Assert.Throws<DataLayerException>(() => Read("# nothing\n"));
    }

    private static AccessTrace Read(string text) => AccessTraceReader.Read(new StringReader(text), "t");
}
