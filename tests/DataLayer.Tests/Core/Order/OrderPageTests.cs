using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using DataLayer.Core.Order;
using DataLayer.Tests.House;

namespace DataLayer.Tests.Core.Order;

/// <summary>docs/FORMATS/order.md is the contract with other languages: its vectors and its program are run.</summary>
public sealed partial class OrderPageTests
{
    private static readonly byte[] _hash = [.. Enumerable.Range(0, OrderKey.HashBytes).Select(i => (byte)i)];

    private static string Page => File.ReadAllText(Path.Combine(Repository.Root, "docs", "FORMATS", "order.md"));

    [Fact]
    public void The_vectors_of_the_page_are_what_the_order_gives()
    {
        MatchCollection rows = Row().Matches(Page);
        Assert.True(rows.Count >= 11);
        foreach (Match row in rows)
        {
            (OrderSpec spec, long[] counts) = (Parse(row.Groups["order"].Value), Numbers(row.Groups["counts"].Value));
            long count = long.Parse(row.Groups["n"].ValueSpan, CultureInfo.InvariantCulture);
            SampleOrder order = new(spec, _hash, count, counts);
            long pass = long.Parse(row.Groups["pass"].ValueSpan, CultureInfo.InvariantCulture);
            Assert.Equal(row.Groups["order"].Value, spec.ToCanonicalText());
            Assert.Equal(Numbers(row.Groups["ordinals"].Value), Enumerable.Range(0, 8).Select(p => order.At(pass, p)));
        }
    }

    [Fact]
    public async Task The_program_of_the_page_gives_the_same_numbers()
    {
        (string Arguments, SampleOrder Order)[] cases =
        [
            ("'shuffle', H, -7, 2, p, 1000", new(new OrderSpec { Seed = -7 }, _hash, 1000, [])),
            ("'shuffle', H, 7, 2, p, (1 << 41) + 5", new(new OrderSpec { Seed = 7 }, _hash, (1L << 41) + 5, [])),
            ("'blocks', H, 5, 2, p, 1003, block=10, window=4", new(new OrderSpec { Mode = OrderMode.Blocks, Seed = 5, BlockSamples = 10, WindowBlocks = 4 }, _hash, 1003, [])),
            ("'lengths', H, 5, 2, p, 1003, block=10, window=4", new(new OrderSpec { Mode = OrderMode.Lengths, Seed = 5, BlockSamples = 10, WindowBlocks = 4 }, _hash, 1003, [])),
            ("'weighted', H, 1, 2, p, 1000, weights=[3, 9, 1], counts=[700, 0, 300]", new(new OrderSpec { Mode = OrderMode.Weighted, Seed = 1, Weights = [3, 9, 1] }, _hash, 1000, [700, 0, 300])),
            ("'balanced', H, 1, 2, p, 1000, counts=[700, 0, 300]", new(new OrderSpec { Mode = OrderMode.Balanced, Seed = 1 }, _hash, 1000, [700, 0, 300])),
        ];
        StringBuilder program = new(Program().Match(Page).Groups["code"].Value);
        program.AppendLine("H = bytes(range(32))");
        foreach ((string arguments, SampleOrder _) in cases)
        {
            program.AppendLine(CultureInfo.InvariantCulture, $"print(*[ordinal({arguments}) for p in range(1000)])");
        }

        string[] lines = await RunPythonAsync(program.ToString());
        Assert.Equal(cases.Length, lines.Length);
        for (int i = 0; i < cases.Length; i++)
        {
            Assert.Equal(Enumerable.Range(0, 1000).Select(p => cases[i].Order.At(2, p)), Numbers(lines[i]));
        }
    }

    private static async Task<string[]> RunPythonAsync(string program)
    {
        using Process python = Process.Start(new ProcessStartInfo("python3", "-")
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            UseShellExecute = false,
        })!;
        await python.StandardInput.WriteAsync(program);
        python.StandardInput.Close();
        string output = await python.StandardOutput.ReadToEndAsync();
        await python.WaitForExitAsync();
        Assert.Equal(0, python.ExitCode);
        return output.Split('\n', StringSplitOptions.RemoveEmptyEntries);
    }

    private static OrderSpec Parse(string text)
    {
        Dictionary<string, string> fields = text.Split(';').Skip(1).ToDictionary(f => f.Split('=')[0], f => f.Split('=')[1], StringComparer.Ordinal);
        return new OrderSpec
        {
            Mode = Enum.Parse<OrderMode>(text.Split(';')[0], ignoreCase: true),
            Part = Enum.Parse<DatasetPart>(fields["part"], ignoreCase: true),
            Seed = long.Parse(fields["seed"], CultureInfo.InvariantCulture),
            BlockSamples = int.Parse(fields.GetValueOrDefault("block", "1024"), CultureInfo.InvariantCulture),
            WindowBlocks = int.Parse(fields.GetValueOrDefault("window", "16"), CultureInfo.InvariantCulture),
            Weights = [.. Numbers(fields.GetValueOrDefault("weights", string.Empty)).Select(w => (uint)w)],
        };
    }

    private static long[] Numbers(string text) =>
        [.. text.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries).Select(n => long.Parse(n, CultureInfo.InvariantCulture))];

    [GeneratedRegex(@"^\| `(?<order>[^`]+)` \| (?<pass>\d+) \| (?<n>\d+)(?:: (?<counts>[\d, ]+))? \| (?<ordinals>[\d ]+) \|$", RegexOptions.Multiline | RegexOptions.ExplicitCapture, 5000)]
    private static partial Regex Row();

    [GeneratedRegex("```python\n(?<code>.*?)```", RegexOptions.Singleline, 5000)]
    private static partial Regex Program();
}
