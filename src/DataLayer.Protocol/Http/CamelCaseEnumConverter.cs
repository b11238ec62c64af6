using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataLayer.Protocol.Http;

/// <summary>
/// An enumeration as camel-case text; numbers are refused, so the values can change without the wire noticing.
/// </summary>
/// <typeparam name="TEnum">The enumeration.</typeparam>
public sealed class CamelCaseEnumConverter<TEnum>()
    : JsonStringEnumConverter<TEnum>(JsonNamingPolicy.CamelCase, allowIntegerValues: false)
    where TEnum : struct, Enum;
