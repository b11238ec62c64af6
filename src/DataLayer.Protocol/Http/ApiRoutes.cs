namespace DataLayer.Protocol.Http;

/// <summary>The paths of the HTTP API, as both ends spell them. <c>docs/API.md</c> describes each.</summary>
public static class ApiRoutes
{
    /// <summary>The prefix of everything versioned.</summary>
    public const string Prefix = "/api/v1";

    /// <summary>Contents: GET, HEAD, PUT, DELETE, followed by the file's path.</summary>
    public const string Files = "/api/v1/files";

    /// <summary>Listings: GET with <c>after</c> and <c>limit</c>, followed by the folder's path.</summary>
    public const string Directories = "/api/v1/dirs";

    /// <summary>
    /// Attributes, followed by the path; <c>detail=true</c> adds placement, residency, object and heat.
    /// </summary>
    public const string Stat = "/api/v1/stat";

    /// <summary>Extended attributes, followed by the path, with <c>name</c>.</summary>
    public const string Xattrs = "/api/v1/xattrs";

    /// <summary>Operations by POST: the operation's name follows.</summary>
    public const string Operations = "/api/v1/ops";

    /// <summary>Attachments: GET, POST, DELETE.</summary>
    public const string Attachments = "/api/v1/attachments";

    /// <summary>Object stores with keys of their own: POST, DELETE.</summary>
    public const string Stores = "/api/v1/stores";

    /// <summary>Targets of the hot tier: GET, POST; <c>/N/drain</c> by POST.</summary>
    public const string Targets = "/api/v1/targets";

    /// <summary>Access profiles: GET; <c>/NAME</c> and what is below it.</summary>
    public const string Profiles = "/api/v1/profiles";

    /// <summary>Access history of a folder: GET.</summary>
    public const string History = "/api/v1/history";
    /// <summary>Versions of the tiering policy: GET, POST; <c>/active</c>, <c>/check</c>, <c>/explain</c> and more
    /// below it.</summary>
    public const string Policies = "/api/v1/policies";

    /// <summary>Mounts: GET.</summary>
    public const string Mounts = "/api/v1/mounts";

    /// <summary>Jobs: GET; <c>/N</c>, <c>/N/events</c>, <c>/N/pause</c>, …; <c>/warm</c> by POST makes one.</summary>
    public const string Jobs = "/api/v1/jobs";

    /// <summary>Schedules of jobs: GET, POST; <c>/N</c> by DELETE.</summary>
    public const string Schedules = "/api/v1/schedules";

    /// <summary>Headrooms: GET, POST; <c>/N</c> by GET, PUT and DELETE.</summary>
    public const string Headrooms = "/api/v1/headrooms";

    /// <summary>Nodes: GET.</summary>
    public const string Nodes = "/api/v1/nodes";

    /// <summary>Tenants: GET.</summary>
    public const string Tenants = "/api/v1/tenants";

    /// <summary>Where a folder's bytes are near: GET with <c>path</c>.</summary>
    public const string Locality = "/api/v1/locality";

    /// <summary>Ranges of objects, for other nodes: GET.</summary>
    public const string PeerBlocks = "/api/v1/peer/blocks";

    /// <summary>Where a folder's bytes are near on this node, for other nodes: GET.</summary>
    public const string PeerLocality = "/api/v1/peer/locality";

    /// <summary>The media type of server-sent events.</summary>
    public const string EventMediaType = "text/event-stream";

    /// <summary>The header that makes asking twice make one job.</summary>
    public const string IdempotencyHeader = "Idempotency-Key";

    /// <summary>Tiering plans: POST, GET; <c>/N</c> by GET and DELETE, <c>/N/moves</c> by GET.</summary>
    public const string Plans = "/api/v1/plans";

    /// <summary>What was paid: GET.</summary>
    public const string Costs = "/api/v1/costs";

    /// <summary>Budgets and where they stand: GET.</summary>
    public const string Budgets = "/api/v1/budgets";

    /// <summary>What lies where: GET.</summary>
    public const string Tiers = "/api/v1/tiers";

    /// <summary>What the tiers save: GET.</summary>
    public const string Report = "/api/v1/report";

    /// <summary>What was paid, by time: GET.</summary>
    public const string CostHistory = "/api/v1/history/costs";

    /// <summary>How full pools were, by time: GET.</summary>
    public const string CapacityHistory = "/api/v1/history/capacity";

    /// <summary>Automatic tiering: GET, PUT.</summary>
    public const string AutoTiering = "/api/v1/tiering/auto";

    /// <summary>Packs of small cold files: GET; <c>/jobs</c> by POST makes a job.</summary>
    public const string Packs = "/api/v1/packs";

    /// <summary>Datasets: GET; one by PUT, GET, DELETE; below it refresh, pin, verify, samples, order.</summary>
    public const string Datasets = "/api/v1/datasets";

    /// <summary>Feeds that are open: GET; <c>/connect</c> becomes one.</summary>
    public const string Feeds = "/api/v1/feeds";

    /// <summary>Counters of the service.</summary>
    public const string Statistics = "/api/v1/stats";

    /// <summary>Why readers wait and what to change: GET with <c>seconds</c> and <c>ahead</c>.</summary>
    public const string Doctor = "/api/v1/doctor";

    /// <summary>Reads as they come: GET with <c>path</c> and <c>seconds</c>, a line of JSON each.</summary>
    public const string AccessLog = "/api/v1/accesslog";

    /// <summary>The last lines of the service's log: GET with <c>lines</c>, text.</summary>
    public const string Log = "/api/v1/log";

    /// <summary>Program version and API version.</summary>
    public const string Version = "/api/v1/version";

    /// <summary>Who the caller is, and what it may call.</summary>
    public const string Caller = "/api/v1/caller";

    /// <summary>The web console: pages, not part of the API.</summary>
    public const string Console = "/console";

    /// <summary>The OpenAPI document.</summary>
    public const string OpenApi = "/openapi/v1.json";

    /// <summary>Prometheus text.</summary>
    public const string Metrics = "/metrics";

    /// <summary>The process is alive.</summary>
    public const string Health = "/healthz";

    /// <summary>The service can answer requests.</summary>
    public const string Ready = "/readyz";

    /// <summary>The media type of a stream of <see cref="ProgressLine{TProgress, TResult}"/>.</summary>
    public const string ProgressMediaType = "application/x-ndjson";

    /// <summary>The media type of a <see cref="Problem"/> (RFC 9457).</summary>
    public const string ProblemMediaType = "application/problem+json";
}
