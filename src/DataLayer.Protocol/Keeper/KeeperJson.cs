using System.Text.Json;
using System.Text.Json.Serialization;
using DataLayer.Core.Errors;
using DataLayer.Protocol.Http;

namespace DataLayer.Protocol.Keeper;

/// <summary>
/// JSON of the frames on the keeper's socket: camel case, enumerations as camel-case text, unknown members ignored, so
/// that a newer end may say more. Source generated.
/// </summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.Web,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    Converters = [typeof(CamelCaseEnumConverter<MountProfile>), typeof(CamelCaseEnumConverter<ErrorCode>)])]
[JsonSerializable(typeof(KeeperHello))]
[JsonSerializable(typeof(KeeperWelcome))]
[JsonSerializable(typeof(KeeperNegotiated))]
[JsonSerializable(typeof(KeeperBackingRequest))]
[JsonSerializable(typeof(KeeperBackingAnswer))]
[JsonSerializable(typeof(KeeperFarewell))]
public sealed partial class KeeperJson : JsonSerializerContext { }
