using System.Globalization;

namespace DataLayer.Server.Configuration;

/// <summary>Where a configuration value came from: a place in a file, or an environment variable.</summary>
/// <param name="Source">The file, the environment variable's name, or "default".</param>
/// <param name="Line">The line from 1; 0 outside a file.</param>
/// <param name="Column">The column from 1; 0 outside a file.</param>
internal readonly record struct ConfigurationOrigin(string Source, int Line, int Column)
{
    /// <summary>The value is the built-in default.</summary>
    public static ConfigurationOrigin Default => new("default", 0, 0);

    /// <summary>The value comes from an environment variable.</summary>
    public bool IsEnvironment => Line == 0 && Source != "default";

    /// <inheritdoc/>
    public override string ToString() =>
        Line > 0 ? string.Create(CultureInfo.InvariantCulture, $"{Source}:{Line}:{Column}") : Source;
}

/// <summary>One thing wrong with the configuration.</summary>
/// <param name="Origin">Where.</param>
/// <param name="Key">The key's full path: <c>pools[0].width</c>.</param>
/// <param name="Message">What is wrong, with the value.</param>
/// <param name="Remedy">What to write instead.</param>
internal sealed record ConfigurationProblem(ConfigurationOrigin Origin, string Key, string Message, string Remedy)
{
    /// <inheritdoc/>
    public override string ToString() =>
        $"{Origin}: {(Key.Length == 0 ? string.Empty : Key + ": ")}{Message} {Remedy}".TrimEnd();
}

/// <summary>A piece of configuration, with its origin, before its meaning is known.</summary>
internal abstract class ConfigurationNode(ConfigurationOrigin origin)
{
    /// <summary>Where it stands.</summary>
    public ConfigurationOrigin Origin { get; } = origin;
}

/// <summary>One value.</summary>
internal sealed class ScalarNode(string text, bool isNull, ConfigurationOrigin origin) : ConfigurationNode(origin)
{
    /// <summary>The text as written.</summary>
    public string Text { get; } = text;

    /// <summary>Whether nothing stands there (<c>key:</c>, <c>~</c>, <c>null</c>).</summary>
    public bool IsNull { get; } = isNull;
}

/// <summary>Values in a row.</summary>
internal sealed class ListNode(ConfigurationOrigin origin) : ConfigurationNode(origin)
{
    /// <summary>The items.</summary>
    public List<ConfigurationNode> Items { get; } = [];
}

/// <summary>Keys with values. File keys match as written, keys from the environment in any case.</summary>
internal sealed class MapNode(ConfigurationOrigin origin) : ConfigurationNode(origin)
{
    /// <summary>The entries, in order.</summary>
    public List<(string Key, ConfigurationOrigin KeyOrigin, ConfigurationNode Value)> Entries { get; } = [];

    /// <summary>The index of a key's entry, or -1.</summary>
    public int IndexOf(string key) =>
        Entries.FindIndex(e =>
            e.Key == key
            || (e.KeyOrigin.IsEnvironment && string.Equals(e.Key, key, StringComparison.OrdinalIgnoreCase))
        );
}
