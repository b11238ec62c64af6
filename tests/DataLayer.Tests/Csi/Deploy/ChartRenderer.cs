using System.Text;
using System.Text.RegularExpressions;
using YamlDotNet.RepresentationModel;

namespace DataLayer.Tests.Csi.Deploy;

/// <summary>
/// The part of Helm's language that the chart uses: <c>.Values.a.b</c>, <c>.Release.Namespace</c>, and <c>range</c> over a list or a map with
/// lines that begin with it. What is not that part is an error, so the chart stays within what is tested here.
/// </summary>
internal sealed partial class ChartRenderer(YamlMappingNode values, string releaseNamespace)
{
    /// <summary>Renders one template.</summary>
    public string Render(string template)
    {
        StringBuilder text = new();
        string[] lines = template.Split('\n');
        for (int i = 0; i < lines.Length; i++)
        {
            Match range = RangeLine().Match(lines[i]);
            if (!range.Success)
            {
                text.Append(Fill(lines[i], null, null)).Append('\n');
                continue;
            }

            int end = Array.FindIndex(lines, i, l => EndLine().IsMatch(l));
            string[] body = lines[(i + 1)..end];
            foreach ((string? key, string value) in Items(range.Groups["path"].Value))
            {
                foreach (string line in body)
                {
                    text.Append(Fill(line, key, value)).Append('\n');
                }
            }

            i = end;
        }

        return text.ToString().TrimEnd('\n') + "\n";
    }

    private string Fill(string line, string? key, string? value) => Expression().Replace(line, match => match.Groups["what"].Value switch
    {
        ".Release.Namespace" => releaseNamespace,
        "." or "$value" when value is not null => value,
        "$key" when key is not null => key,
        string path when path.StartsWith(".Values.", StringComparison.Ordinal) => ((YamlScalarNode)Find(path)).Value!,
        string other => throw new InvalidOperationException($"'{other}' is not in the part of the language that is tested."),
    });

    private IEnumerable<(string? Key, string Value)> Items(string path) => Find(path) switch
    {
        YamlSequenceNode list => list.Select(item => ((string?)null, ((YamlScalarNode)item).Value!)),
        YamlMappingNode map => map.Select(pair => (((YamlScalarNode)pair.Key).Value, ((YamlScalarNode)pair.Value).Value!)),
        _ => throw new InvalidOperationException($"{path} is neither a list nor a map."),
    };

    private YamlNode Find(string path) =>
        path[".Values.".Length..].Split('.').Aggregate((YamlNode)values, (node, name) => ((YamlMappingNode)node)[new YamlScalarNode(name)]);

    [GeneratedRegex(@"\{\{-?\s*(?<what>[^}]*?)\s*-?\}\}")]
    private static partial Regex Expression();

    [GeneratedRegex(@"^\s*\{\{-\s*range\s+(\$key,\s*\$value\s*:=\s*)?(?<path>\.Values\.[\w.]+)\s*\}\}$")]
    private static partial Regex RangeLine();

    [GeneratedRegex(@"^\s*\{\{-\s*end\s*\}\}$")]
    private static partial Regex EndLine();
}
