using System.Text.Json;
using DataLayer.Server.Cli;

namespace DataLayer.Tests.Server;

/// <summary>Reports as people read them.</summary>
public sealed class JsonRowsTests
{
    [Fact]
    public void A_report_is_one_row_a_member_and_what_is_nothing_is_left_out()
    {
        using JsonDocument report = JsonDocument.Parse("""
            {"moved": 1500, "skipped": 0, "releasedBytes": 1048576, "cost": 0.00025, "currency": "USD", "phase": null, "reasons": {"it is pinned": 2},
             "problems": ["/a: gone"], "gaps": [{"path": "/b", "missingBytes": 3}], "whole": false}
            """);
        Assert.Equal(
            [
                ("result", ":"), ("  moved", "1,500"), ("  released bytes", "1.00 MiB"), ("  cost", "0.00025"), ("  currency", "USD"),
                ("  reasons: it is pinned", "2"), ("  problems", "/a: gone"), ("  gaps", "path /b, missing bytes 3"),
            ],
            JsonRows.Of("result", report.RootElement));
    }

    [Fact]
    public void Long_lists_end_with_how_many_more_there_are()
    {
        using JsonDocument report = JsonDocument.Parse($$"""{"paths": [{{string.Join(',', Enumerable.Range(0, 25).Select(i => $"\"/f{i}\""))}}]}""");
        (string Name, string? Value)[] rows = [.. JsonRows.Of("result", report.RootElement)];
        Assert.Equal(22, rows.Length);
        Assert.Equal(("  paths", "… 5 more: --json shows all"), rows[^1]);
    }

    [Fact]
    public void What_is_no_object_is_shown_as_it_came() =>
        Assert.Equal([("result", null)], JsonRows.Of("result", null));
}
