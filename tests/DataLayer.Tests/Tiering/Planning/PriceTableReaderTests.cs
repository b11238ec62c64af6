using DataLayer.Engine.Tiering.Planning;
using DataLayer.Server.Configuration;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Tiering.Planning;

public sealed class PriceTableReaderTests
{
    public static TheoryData<string> Shipped => [.. PriceTableReader.ListShipped()];

    [Fact]
    public void Four_tables_come_with_the_program() =>
        Assert.Equal(["aws-us-east-1", "azure-east-us-2", "gcs-us-central1", "own-ceph"], PriceTableReader.ListShipped());

    [Theory]
    [MemberData(nameof(Shipped))]
    public void A_shipped_table_reads_and_names_its_date_and_sources(string name)
    {
        PriceTableResult result = PriceTableReader.Load(name);
        Assert.Empty(result.Problems);
        PriceTable table = result.Table!;
        Assert.Equal(name, table.Name);
        Assert.NotEqual(default, table.AsOf);
        Assert.NotEmpty(table.Sources);
        Assert.True(table.HotPerGibMonth > table.DefaultClass.PerGibMonth);
        Assert.All(table.Classes, c => Assert.True(c.PerGibMonth > 0));
    }

    [Fact]
    public void Routes_and_retrievals_are_chosen_by_name()
    {
        Assert.Equal(0, PriceTableReader.Load("aws-us-east-1").Table!.EgressPerGib);
        PriceTable table = PriceTableReader.Load("aws-us-east-1", "internet", "bulk").Table!;
        Assert.Equal(0.09, table.EgressPerGib);
        Assert.Equal(TimeSpan.FromHours(48), table.Find("DEEP_ARCHIVE")!.RestoreTime);
        Assert.Equal(0.03, table.Find("GLACIER_IR")!.RetrievalPerGib);
        ConfigurationProblem problem = Assert.Single(PriceTableReader.Load("aws-us-east-1", "moon").Problems);
        Assert.Contains("There is no route 'moon'", problem.Message, StringComparison.Ordinal);
        Assert.Contains("sameRegion, otherRegion, internet", problem.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void A_price_is_computed_from_what_disks_cost_over_their_life()
    {
        // 60 a TiB over 60 months is 1; 10 W for 720 h at 0.5 is 3.6; upkeep 0.4: 5 × 1.5 raw / 0.75 full / 1,024.
        PriceTable table = PriceTableReader.ReadText(
            """
            asOf: 2026-01-02
            hot: {disk: {perTib: 60, lifeMonths: 60, rawPerUsable: 1.5, maxFill: 0.75, wattsPerTib: 10, perKwh: 0.5, upkeepPerTibMonth: 0.4}}
            classes: [{name: STANDARD, perGibMonth: 0.001}]
            """, "own").Table!;
        Assert.Equal(5.0 * 1.5 / 0.75 / 1024, table.HotPerGibMonth, 12);
    }

    [Fact]
    public void All_mistakes_are_told_at_once_each_with_its_place()
    {
        PriceTableResult result = PriceTableReader.ReadText(
            """
            currency: dollars
            asOf: yesterday
            hot: {perGibMonth: -1}
            egres:
              - {route: a, perGib: 1}
            classes:
              - name: STANDARD
                perGibMonth: 0.02
                disk: {perTib: 1}
              - name: STANDARD
              - perGibMonth: cheap
                minDays: 5000
            """, "prices.yaml");
        Assert.Null(result.Table);
        string[] told = [.. result.Problems.Select(p => p.ToString())];
        Assert.Equal(
            [
                "prices.yaml:1:11: currency: 'dollars' is not a currency's code. Write three capitals, as USD.",
                "prices.yaml:2:7: asOf: 'yesterday' is not a date. Write the day they were looked up, as 2026-11-23.",
                "prices.yaml:3:20: hot.perGibMonth: '-1' is not a number in range. Accepted: 0 to 1000000.",
                "prices.yaml:4:1: egres: There is no setting 'egres'. Did you mean 'egress'?",
                "prices.yaml:6:1: classes: 'STANDARD' is there 2 times. Keep one of them.",
                "prices.yaml:9:5: classes[0].disk: Both perGibMonth and disk are given. Give perGibMonth, or disk, from which it is computed.",
                "prices.yaml:10:5: classes[1].perGibMonth: The class 'STANDARD' has no price. Give perGibMonth, or disk, from which it is computed.",
                "prices.yaml:11:5: classes[2].name: The class has no name. Write it as the store does, as STANDARD_IA.",
                "prices.yaml:11:18: classes[2].perGibMonth: 'cheap' is not a number in range. Accepted: 0 to 1000000.",
                "prices.yaml:12:14: classes[2].minDays: '5000' is not a whole number in range. Accepted: 0 to 3650.",
            ], told);
    }

    [Fact]
    public void The_table_in_the_documentation_is_a_good_one()
    {
        string text = File.ReadAllText(Path.Combine(RepositoryRoot.Path, "docs", "CONFIGURATION.md"));
        string example = text[text.IndexOf("title: Our contract", StringComparison.Ordinal)..];
        PriceTableResult result = PriceTableReader.ReadText(example[..example.IndexOf("```", StringComparison.Ordinal)], "example");
        Assert.Empty(result.Problems);
        Assert.Equal(0.02, result.Table!.HotPerGibMonthByPool["hdd"]);
    }

    [Fact]
    public void A_table_that_is_not_there_is_answered_with_those_that_are()
    {
        ConfigurationProblem problem = Assert.Single(PriceTableReader.Load("asw-us-east-1").Problems);
        Assert.Contains("aws-us-east-1", problem.Remedy, StringComparison.Ordinal);
    }
}
