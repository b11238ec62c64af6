using System.Text.Json.Serialization;

namespace DataLayer.Engine.Tiering.Planning;

/// <summary>A plan's summary as it is stored: camel case, enumerations by name, durations as text. Source
/// generated.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(TieringPlan))]
internal sealed partial class PlanJson : JsonSerializerContext;
