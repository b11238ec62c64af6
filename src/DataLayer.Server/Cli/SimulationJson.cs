using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Engine.Tiering.Simulation;

namespace DataLayer.Server.Cli;

/// <summary>JSON of <c>plan simulate</c>: a line a day.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(SimulatedDay))]
internal sealed partial class SimulationJson : JsonSerializerContext;
