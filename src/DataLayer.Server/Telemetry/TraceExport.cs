using DataLayer.Server.Configuration;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace DataLayer.Server.Telemetry;

/// <summary>
/// Sends the spans of the read path to an OTLP collector. Off, and then nothing listens, unless an endpoint is given.
/// </summary>
/// <remarks>
/// Life: made and started with the service; at its stop what is gathered is sent. Headers, timeouts and the like are
/// the exporter's own OTEL_EXPORTER_OTLP_ variables.
/// </remarks>
internal sealed class TraceExport(TracingConfiguration configuration) : IHostedService, IDisposable
{
    private const int FlushMilliseconds = 5000;
    private TracerProvider? _provider;

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (configuration.Endpoint is not { } endpoint)
        {
            return Task.CompletedTask;
        }

        OtlpExporterOptions options = new() { Endpoint = endpoint, Protocol = configuration.Protocol };

        // The provider owns the processors, and they the exporter.
        _provider = Sdk.CreateTracerProviderBuilder()
            .SetResourceBuilder(ResourceBuilder.CreateDefault().AddService(
                "datalayer", serviceVersion: Hosting.ProgramVersion.Text))
            .AddSource("DataLayer.Engine", "DataLayer.Objects")
            .SetSampler(new EverySpan())
            .AddProcessor(new TailSampler(
                new BatchActivityExportProcessor(new OtlpTraceExporter(options)), configuration.SampleRatio,
                configuration.Slow))
            .Build();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken)
    {
        _ = _provider?.Shutdown(FlushMilliseconds);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public void Dispose() => _provider?.Dispose();

    /// <summary>Has every span made but none sent: that is decided at the trace's end.</summary>
    private sealed class EverySpan : Sampler
    {
        public override SamplingResult ShouldSample(in SamplingParameters samplingParameters) =>
            new(SamplingDecision.RecordOnly);
    }
}
