using System.Globalization;
using DataLayer.Core.Errors;
using DataLayer.Core.Order;
using DataLayer.Engine.Feeds;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>
/// Datasets: made, refreshed, pinned, verified, deleted, and looked into. A scoped caller deals with those whose path
/// lies in its scope only; others are not there for it.
/// </summary>
internal sealed class DatasetEndpoints(NodeHost node, TimeProvider time)
{
    private const string One = ApiRoutes.Datasets + "/{id}";
    private const int MaxSampleBytes = 1 << 30;
    private const int MaxPage = 10_000;
    private static readonly ApiParameter _name = new(
        "id", ApiParameterPlace.Path, "string", "The dataset's name.", Required: true);

    private DatasetService Datasets => node.Engine.Datasets;

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations() => [.. Making(), .. Pinning(), .. Reading()];

    private IEnumerable<ApiOperation> Making()
    {
        yield return Operation(
            "PUT", One, "createDataset",
            "Makes a dataset and a job that builds its index; of one that is there with the same spec, the job alone.",
            CreateAsync) with
        {
            Access = ApiAccess.Write,
            IsAudited = true,
            Body = typeof(DatasetCommand),
            Answer = typeof(JobStatus),
            Statuses = [202],
            Parameters = [_name, JobEndpoints.Key],
        };
        yield return Operation(
            "POST", One + "/refresh", "refreshDataset",
            "Makes a job that brings a dataset's index up to date; only files that changed are read.",
            RefreshAsync) with
        {
            Access = ApiAccess.Write,
            IsAudited = true,
            Answer = typeof(JobStatus),
            Statuses = [202],
            Parameters = [_name, JobEndpoints.Key],
        };
        yield return Operation(
            "DELETE", One, "deleteDataset", "Forgets a dataset that is not pinned; its files stay.", DeleteAsync) with
        {
            Access = ApiAccess.Write,
            IsAudited = true,
            Statuses = [204],
        };
    }

    private IEnumerable<ApiOperation> Pinning()
    {
        yield return Operation(
            "PUT", One + "/pin", "pinDataset",
            "Freezes a dataset: no refresh, hot copies stay, and a changed file's samples are not read.",
            context => ChangeAsync(context, Datasets.Pin)) with
        {
            Access = ApiAccess.Write,
            IsAudited = true,
            Answer = typeof(DatasetStatus),
        };
        yield return Operation(
            "DELETE", One + "/pin", "unpinDataset", "Lets a dataset go with its files again.",
            context => ChangeAsync(context, Datasets.Unpin)) with
        {
            Access = ApiAccess.Write,
            IsAudited = true,
            Answer = typeof(DatasetStatus),
        };
        yield return Operation(
            "POST", One + "/verify", "verifyDataset", "Looks whether each file is still what the index is of.",
            VerifyAsync) with
        {
            Answer = typeof(ProgressLine<DatasetVerificationReport, DatasetVerificationReport>),
            AnswerMedia = ApiRoutes.ProgressMediaType,
            Body = typeof(VerifyDatasetCommand),
        };
    }

    private IEnumerable<ApiOperation> Reading()
    {
        yield return Operation("GET", ApiRoutes.Datasets, "listDatasets", "The datasets, by name.", ListAsync) with
        {
            Answer = typeof(IReadOnlyList<DatasetStatus>),
            Parameters = [],
        };
        yield return Operation("GET", One, "showDataset", "One dataset.", ShowAsync) with
        {
            Answer = typeof(DatasetStatus),
        };
        yield return Operation(
            "GET", One + "/samples", "listSamples", "Where the samples lie, in the order of the index.",
            SamplesAsync) with
        {
            Answer = typeof(SamplePage),
            Parameters =
            [
                _name,
                new("from", ApiParameterPlace.Query, "integer", "The first sample. Default 0."),
                new("limit", ApiParameterPlace.Query, "integer", "At most so many, 1 to 10,000. Default 1,000."),
            ],
        };
        yield return Operation(
            "GET", One + "/samples/{number}/content", "readSample",
            "A sample's bytes: of the content that the index is of, or 412.", ContentAsync) with
        {
            AnswerMedia = "application/octet-stream",
            Parameters =
            [
                _name,
                new("number", ApiParameterPlace.Path, "integer", "The sample's number, from 0.", Required: true),
            ],
        };
        yield return Operation(
            "GET", One + "/order", "showOrder", "Which sample stands at each position of a pass.", OrderAsync) with
        {
            Answer = typeof(OrderReport),
            Parameters =
            [
                _name,
                new("mode", ApiParameterPlace.Query, "string",
                    "sequential, shuffle, blocks, weighted or balanced. Default shuffle."),
                new("part", ApiParameterPlace.Query, "string", "all, train or validation. Default all."),
                new("seed", ApiParameterPlace.Query, "integer", "The seed. Default 0."),
                new("pass", ApiParameterPlace.Query, "integer", "The pass, from 0. Default 0."),
                new("from", ApiParameterPlace.Query, "integer", "The first position. Default 0."),
                new("limit", ApiParameterPlace.Query, "integer", "At most so many, 1 to 10,000. Default 100."),
                new("block", ApiParameterPlace.Query, "integer", "Of blocks: samples a block has. Default 1,024."),
                new("window", ApiParameterPlace.Query, "integer", "Of blocks: blocks a window has. Default 16."),
                new("weights", ApiParameterPlace.Query, "string",
                    "Of weighted: a whole number for each class, by number, with commas."),
            ],
        };
    }

    private static ApiOperation Operation(
        string method, string route, string id, string summary, RequestDelegate handler) =>
        new(method, route, id, summary, handler)
        {
            Access = ApiAccess.Caller,
            Tag = "datasets",
            Parameters = [_name],
        };

    private async Task ListAsync(HttpContext context)
    {
        IReadOnlyList<DatasetStatus> all =
            [.. Datasets.List().Where(d => Reaches(context, d)).Select(DatasetWire.ToStatus)];
        await ApiJson.WriteAsync(context, all, ProtocolJson.Default.IReadOnlyListDatasetStatus);
    }

    private Task ShowAsync(HttpContext context) =>
        ApiJson.WriteAsync(context, DatasetWire.ToStatus(Find(context)), ProtocolJson.Default.DatasetStatus);

    private async Task CreateAsync(HttpContext context)
    {
        DatasetSpec spec = DatasetWire.ToSpec(await ApiJson.ReadAsync(context, ProtocolJson.Default.DatasetCommand));
        RequestCaller.DemandPath(context, spec.Path);
        if (spec is { Labels: LabelSource.Csv or LabelSource.Array, LabelsFrom: { } labels })
        {
            RequestCaller.DemandPath(context, labels);
        }

        if (Datasets.Find(NameOf(context)) is { } known && !Reaches(context, known))
        {
            throw new DataLayerException(
                ErrorCode.AlreadyExists, $"The name '{known.Name}' is taken: choose another one.");
        }

        DatasetRecord made = await Datasets.CreateAsync(NameOf(context), spec, context.RequestAborted);
        await AddJobAsync(context, made.Name);
    }

    private async Task RefreshAsync(HttpContext context) => await AddJobAsync(context, Find(context).Name);

    private async Task AddJobAsync(HttpContext context, string name)
    {
        if (Datasets.Get(name).PinnedAt is not null)
        {
            throw new DataLayerException(
                ErrorCode.WrongState, $"Dataset '{name}' is pinned: unpin it before you refresh it.");
        }

        Caller caller = RequestCaller.Of(context);
        string text = new IndexJobSpec { Name = name }.ToText();
        (JobRecord job, _) = await node.Jobs.AddAsync(
            IndexRunner.KindName, text, caller.Name, caller.Scopes,
            JobEndpoints.KeyOf(context, JobEndpoints.Fingerprint(text)), context.RequestAborted);
        context.Response.Headers.Location = string.Create(CultureInfo.InvariantCulture, $"{ApiRoutes.Jobs}/{job.Id}");
        context.Response.Headers.ETag = JobWire.TagOf(job);
        await ApiJson.WriteAsync(
            context, JobWire.ToStatus(job, time), ProtocolJson.Default.JobStatus, StatusCodes.Status202Accepted);
    }

    private Task DeleteAsync(HttpContext context)
    {
        Datasets.Delete(Find(context).Name);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
        return Task.CompletedTask;
    }

    private Task ChangeAsync(HttpContext context, Func<string, DatasetRecord> change) => ApiJson.WriteAsync(
        context, DatasetWire.ToStatus(change(Find(context).Name)), ProtocolJson.Default.DatasetStatus);

    private async Task VerifyAsync(HttpContext context)
    {
        bool origin = (await ApiJson.ReadAsync(context, ProtocolJson.Default.VerifyDatasetCommand)).Origin;
        string name = Find(context).Name;
        await ProgressStream.RunAsync<DatasetVerificationReport, DatasetVerificationReport>(
            context, time,
            async (progress, token) => DatasetWire.ToReport(
                await Datasets.VerifyAsync(name, origin, new Mapped(progress), token)),
            ProtocolJson.Default.ProgressLineDatasetVerificationReportDatasetVerificationReport);
    }

    private async Task SamplesAsync(HttpContext context)
    {
        SampleIndex index = Datasets.Open(Find(context).Name);
        long from = RequestTarget.Number(context, "from", 0, 0, long.MaxValue);
        int limit = RequestTarget.Count(context, "limit", 1000, 1, MaxPage);
        List<SampleStatus> samples = [];
        for (long i = from; i < index.Count && samples.Count < limit; i++)
        {
            SamplePlace place = index[i];
            samples.Add(new SampleStatus
            {
                Number = i,
                Path = await node.Open.Tree.GetPathAsync(place.Inode, context.RequestAborted),
                OffsetBytes = place.OffsetBytes,
                LengthBytes = place.LengthBytes,
                Label = place.Class < 0 ? null : index.Classes[place.Class],
                Class = place.Class < 0 ? null : place.Class,
                Validation = index.IsValidation(i),
            });
        }

        long next = from + samples.Count;
        SamplePage page = new() { Samples = samples, Next = next < index.Count && samples.Count > 0 ? next : null };
        await ApiJson.WriteAsync(context, page, ProtocolJson.Default.SamplePage);
    }

    private async Task ContentAsync(HttpContext context)
    {
        string name = Find(context).Name;
        SampleIndex index = Datasets.Open(name);
        string? text = (string?)context.Request.RouteValues["number"];
        if (!long.TryParse(text, CultureInfo.InvariantCulture, out long number)
            || number < 0 || number >= index.Count)
        {
            throw new DataLayerException(
                ErrorCode.NotFound, $"Dataset '{name}' has samples 0 to {index.Count - 1}.");
        }

        SamplePlace place = index[number];
        if (place.LengthBytes > MaxSampleBytes)
        {
            throw new DataLayerException(
                ErrorCode.FileTooLarge, $"Sample {number} has {place.LengthBytes} bytes: read its file in pieces.");
        }

        byte[] bytes = new byte[place.LengthBytes];
        await Datasets.ReadSampleAsync(place, bytes, context.RequestAborted);
        context.Response.ContentType = "application/octet-stream";
        context.Response.ContentLength = bytes.Length;
        await context.Response.Body.WriteAsync(bytes, context.RequestAborted);
    }

    private async Task OrderAsync(HttpContext context)
    {
        SampleIndex index = Datasets.Open(Find(context).Name);
        OrderSpec spec = DatasetWire.ToOrder(context);
        SampleOrder order = index.MakeOrder(spec);
        long pass = RequestTarget.Number(context, "pass", 0, 0, long.MaxValue / order.PassLength);
        long from = RequestTarget.Number(context, "from", 0, 0, order.PassLength - 1);
        int limit = RequestTarget.Count(context, "limit", 100, 1, MaxPage);
        long[] samples = new long[Math.Min(limit, order.PassLength - from)];
        order.Fill(pass, from, 1, samples);
        for (int i = 0; i < samples.Length; i++)
        {
            samples[i] = index.Select(spec.Part, order.Sorting, samples[i]);
        }

        OrderReport report = new()
        {
            Feed = order.FeedId,
            Order = spec.ToCanonicalText(),
            PassLength = order.PassLength,
            Pass = pass,
            From = from,
            Samples = samples,
        };
        await ApiJson.WriteAsync(context, report, ProtocolJson.Default.OrderReport);
    }

    private static bool Reaches(HttpContext context, DatasetRecord record) =>
        RequestCaller.Of(context).Confinement?.Contains(record.Spec.Path) ?? true;

    private static string NameOf(HttpContext context) => (string?)context.Request.RouteValues["id"] ?? string.Empty;

    private DatasetRecord Find(HttpContext context)
    {
        DatasetRecord record = Datasets.Get(NameOf(context));
        return Reaches(context, record) ? record : throw DatasetService.Missing(record.Name);
    }

    private sealed class Mapped(IProgress<DatasetVerificationReport> progress) : IProgress<DatasetVerification>
    {
        public void Report(DatasetVerification value) => progress.Report(DatasetWire.ToReport(value));
    }
}
