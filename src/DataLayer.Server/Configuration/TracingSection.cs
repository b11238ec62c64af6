using System.Collections;
using OpenTelemetry.Exporter;

namespace DataLayer.Server.Configuration;

/// <summary>Section <c>tracing</c>.</summary>
internal sealed record TracingConfiguration
{
    /// <summary>Where spans are sent; null for nowhere.</summary>
    public Uri? Endpoint { get; init; }

    /// <summary>How.</summary>
    public OtlpExportProtocol Protocol { get; init; } = OtlpExportProtocol.HttpProtobuf;

    /// <summary>The share of reads that is sent whatever they took, 0 to 1.</summary>
    public double SampleRatio { get; init; }

    /// <summary>A read that lasts as long is always sent.</summary>
    public TimeSpan Slow { get; init; }
}

/// <summary>Reads section <c>tracing</c>; where it names no endpoint, OpenTelemetry's own variables do.</summary>
internal static class TracingSection
{
    private const string EndpointVariable = "OTEL_EXPORTER_OTLP_ENDPOINT";
    private const string TracesEndpointVariable = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
    private const string ProtocolVariable = "OTEL_EXPORTER_OTLP_PROTOCOL";
    private const string TracesPath = "v1/traces";

    /// <summary>Reads the section.</summary>
    public static TracingConfiguration Read(SettingReader section, IDictionary environment)
    {
        string? given = section.Text(
            "endpoint", null,
            $"OTLP collector that gets the spans of slow reads. Default: ${EndpointVariable}; without both nothing is "
            + "traced.",
            "http(s)://host:port");
        string protocol = section.Choice(
            "protocol", "auto",
            $"How it is spoken to; 'auto': as ${ProtocolVariable} says, else http/protobuf.", "auto", "http/protobuf",
            "grpc");
        bool isGrpc = protocol == "grpc"
            || (protocol == "auto" && environment[ProtocolVariable] as string == "grpc");
        TracingConfiguration tracing = new()
        {
            Protocol = isGrpc ? OtlpExportProtocol.Grpc : OtlpExportProtocol.HttpProtobuf,
            SampleRatio = section.Number(
                "sampleRatio", 0.001, 0, 1, "Share of the other reads that memory does not answer that is sent too."),
            Slow = section.Duration(
                "slow", TimeSpan.FromMilliseconds(250), TimeSpan.Zero, TimeSpan.FromHours(1),
                "A read that takes as long is always sent, with its tier, wait and cause."),
        };
        tracing = tracing with { Endpoint = EndpointOf(section, given, environment, isGrpc) };
        section.Done();
        return tracing;
    }

    private static Uri? EndpointOf(SettingReader section, string? given, IDictionary environment, bool isGrpc)
    {
        string? whole = given is null ? Value(environment, TracesEndpointVariable) : null;
        string? text = given ?? whole ?? Value(environment, EndpointVariable);
        if (text is null)
        {
            return null;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out Uri? endpoint) || endpoint.Scheme is not ("http" or "https"))
        {
            section.Report("endpoint", $"'{text}' is not a collector's URL.", "Write http://host:4318.");
            return null;
        }

        // The variable for traces is a whole URL; the others are a base to which the signal's path is added.
        return isGrpc || whole is not null || endpoint.AbsolutePath.EndsWith(TracesPath, StringComparison.Ordinal)
            ? endpoint
            : new Uri(text.TrimEnd('/') + "/" + TracesPath);
    }

    private static string? Value(IDictionary environment, string name) =>
        environment[name] is string { Length: > 0 } text ? text : null;
}
