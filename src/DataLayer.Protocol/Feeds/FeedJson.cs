using System.Text.Json;
using System.Text.Json.Serialization;

namespace DataLayer.Protocol.Feeds;

/// <summary>
/// JSON of a feed's frames: camel case, numbers as numbers; members that are null are left out. What clients send may
/// have no member that is unknown; what the service sends may. Source generated.
/// </summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web, NumberHandling = JsonNumberHandling.Strict,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(FeedHello))]
[JsonSerializable(typeof(FeedWelcome))]
[JsonSerializable(typeof(FeedOpen))]
[JsonSerializable(typeof(FeedOpened))]
[JsonSerializable(typeof(FeedEnd))]
[JsonSerializable(typeof(FeedFault))]
public sealed partial class FeedJson : JsonSerializerContext;
