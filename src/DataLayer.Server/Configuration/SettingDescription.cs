namespace DataLayer.Server.Configuration;

/// <summary>What kind of value a setting takes.</summary>
internal enum SettingKind
{
    /// <summary>Free text.</summary>
    Text,

    /// <summary>One of a few words.</summary>
    Choice,

    /// <summary><c>true</c> or <c>false</c>.</summary>
    Flag,

    /// <summary>A whole number.</summary>
    Count,

    /// <summary>A number with a fraction.</summary>
    Number,

    /// <summary>A size in bytes.</summary>
    Size,

    /// <summary>A duration.</summary>
    Duration,

    /// <summary>A list of texts.</summary>
    TextList,
}

/// <summary>One setting as the schema and the documentation show it.</summary>
/// <param name="Path">Its key: <c>cache.policy</c>, <c>pools[].width</c>.</param>
/// <param name="Kind">What it takes.</param>
/// <param name="Default">The default as one would write it; empty for none.</param>
/// <param name="Range">What is accepted, in words; empty where anything is.</param>
/// <param name="Summary">What it does and why the default is what it is.</param>
/// <param name="Allowed">The words of a choice, else empty.</param>
internal sealed record SettingDescription(
    string Path, SettingKind Kind, string Default, string Range, string Summary, IReadOnlyList<string> Allowed);

/// <summary>One setting's value in effect and where it came from.</summary>
internal sealed record EffectiveSetting(string Path, string Value, ConfigurationOrigin Origin);

/// <summary>What a reading of the configuration gathers on its way.</summary>
internal sealed class ConfigurationReading
{
    /// <summary>All that is wrong.</summary>
    public List<ConfigurationProblem> Problems { get; } = [];

    /// <summary>Brings the problems into the order of the file; those of the environment come last.</summary>
    public void SortProblems()
    {
        List<ConfigurationProblem> sorted =
        [
            .. Problems.OrderBy(p => p.Origin.Line == 0).ThenBy(p => p.Origin.Line).ThenBy(p => p.Origin.Column),
        ];
        Problems.Clear();
        Problems.AddRange(sorted);
    }

    /// <summary>Every setting there is, in the order of reading; list items described once.</summary>
    public List<SettingDescription> Settings { get; } = [];

    /// <summary>Every value in effect.</summary>
    public List<EffectiveSetting> Effective { get; } = [];
}
