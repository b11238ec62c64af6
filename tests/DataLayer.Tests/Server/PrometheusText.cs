using System.Globalization;
using System.Text;

namespace DataLayer.Tests.Server;

/// <summary>A strict reader of the Prometheus text format 0.0.4, to check what the service writes.</summary>
internal sealed class PrometheusText
{
    private readonly Dictionary<string, string> _types = new(StringComparer.Ordinal);

    /// <summary>Samples by name, then labels as sorted text.</summary>
    public Dictionary<(string Name, string Labels), double> Samples { get; } = [];

    /// <summary>A metric's type.</summary>
    public string TypeOf(string name) => _types[name];

    /// <summary>Names with a TYPE.</summary>
    public IEnumerable<string> Names => _types.Keys;

    /// <summary>Reads a text; throws on anything the format does not allow.</summary>
    public static PrometheusText Parse(string text)
    {
        PrometheusText read = new();
        Assert.EndsWith("\n", text, StringComparison.Ordinal);
        HashSet<string> helped = [];
        foreach (string line in text[..^1].Split('\n'))
        {
            Assert.DoesNotContain('\r', line);
            if (line.StartsWith("# HELP ", StringComparison.Ordinal))
            {
                Assert.True(helped.Add(line.Split(' ')[2]), $"second HELP: {line}");
            }
            else if (line.StartsWith("# TYPE ", StringComparison.Ordinal))
            {
                string[] parts = line.Split(' ');
                Assert.Equal(4, parts.Length);
                Assert.Contains(parts[3], new[] { "counter", "gauge", "histogram" });
                Assert.True(read._types.TryAdd(parts[2], parts[3]), $"second TYPE: {line}");
            }
            else
            {
                read.ReadSample(line);
            }
        }

        return read;
    }

    private void ReadSample(string line)
    {
        int end = line.IndexOfAny(['{', ' ']);
        string name = line[..end];
        Assert.Matches("^[a-zA-Z_:][a-zA-Z0-9_:]*$", name);
        SortedDictionary<string, string> labels = new(StringComparer.Ordinal);
        int position = end;
        if (line[end] == '{')
        {
            position = ReadLabels(line, end + 1, labels);
        }

        Assert.Equal(' ', line[position]);
        string number = line[(position + 1)..];
        double value = number == "+Inf" ? double.PositiveInfinity : double.Parse(number, NumberStyles.Float, CultureInfo.InvariantCulture);
        Assert.True(_types.ContainsKey(name) || IsPartOfHistogram(name), $"a sample without TYPE: {line}");
        string key = string.Join(',', labels.Select(l => $"{l.Key}={l.Value}"));
        Assert.True(Samples.TryAdd((name, key), value), $"the series is there twice: {line}");
    }

    private bool IsPartOfHistogram(string name)
    {
        foreach (string suffix in new[] { "_bucket", "_sum", "_count" })
        {
            if (name.EndsWith(suffix, StringComparison.Ordinal)
                && _types.TryGetValue(name[..^suffix.Length], out string? type) && type == "histogram")
            {
                return true;
            }
        }

        return false;
    }

    private static int ReadLabels(string line, int position, SortedDictionary<string, string> labels)
    {
        while (line[position] != '}')
        {
            int equals = line.IndexOf('=', position);
            string name = line[position..equals];
            Assert.Matches("^[a-zA-Z_][a-zA-Z0-9_]*$", name);
            Assert.Equal('"', line[equals + 1]);
            StringBuilder value = new();
            int i = equals + 2;
            for (; line[i] != '"'; i++)
            {
                if (line[i] != '\\')
                {
                    value.Append(line[i]);
                    continue;
                }

                i++;
                value.Append(line[i] switch
                {
                    'n' => '\n',
                    '\\' => '\\',
                    '"' => '"',
                    char other => throw new FormatException($"\\{other} is no escape: {line}"),
                });
            }

            Assert.True(labels.TryAdd(name, value.ToString()), line);
            position = line[i + 1] == ',' ? i + 2 : i + 1;
        }

        return position + 1;
    }
}
