using System.Text.Json;

namespace DataLayer.Server.Http;

/// <summary>Values of enumerations as the words that stand for them on the wire and on the command line.</summary>
internal static class WireWord
{
    /// <summary>A value's word, camel case.</summary>
    public static string Of(Enum value) => Of(value.ToString());

    /// <summary>The word for a value's name in the code.</summary>
    public static string Of(string name) => JsonNamingPolicy.CamelCase.ConvertName(name);
}
