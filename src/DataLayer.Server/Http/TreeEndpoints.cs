using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using DataLayer.Metadata;
using DataLayer.Protocol.Http;
using DataLayer.Server.Access;
using DataLayer.Server.Hosting;

namespace DataLayer.Server.Http;

/// <summary>Contents, listings, attributes and names.</summary>
internal sealed class TreeEndpoints(NodeHost node, FileReadEndpoint reads, FileWriteEndpoint writes)
{
    private const string Files = ApiRoutes.Files + "/{**path}";
    private const int DefaultPageEntries = 1000;
    private const int MaxPageEntries = 10_000;
    private const int MaxXattrBytes = 64 << 10;
    private const int MaxXattrNameBytes = 255;

    private static readonly ApiParameter _ifMatch = new(
        "If-Match", ApiParameterPlace.Header, "string", "The entity tag that must hold.");

    /// <summary>The operations.</summary>
    public IEnumerable<ApiOperation> GetOperations() =>
        [.. Reads(), .. Writes(), .. Listings(), .. Names(), .. Xattrs()];

    private IEnumerable<ApiOperation> Reads()
    {
        ApiParameter[] reading =
        [
            new(
                "Range", ApiParameterPlace.Header, "string",
                "One range: bytes=FIRST-LAST, FIRST- or -COUNT. Several are answered with the whole."),
            _ifMatch,
            new(
                "If-None-Match", ApiParameterPlace.Header, "string",
                "The entity tag that must not hold; 304 if it does."),
            new(
                "If-Range", ApiParameterPlace.Header, "string",
                "The Range counts only if this entity tag or date holds."),
        ];
        yield return new ApiOperation(
            "GET", Files, "readFile", "Reads a file, or a range of it.",
            context => reads.HandleAsync(context, PathOf(context, ApiRoutes.Files)))
        {
            Access = ApiAccess.Read,
            Tag = "files",
            Parameters = reading,
            AnswerMedia = "application/octet-stream",
            Answer = typeof(Stream),
            Statuses = [200, 206, 304],
        };
        yield return new ApiOperation(
            "HEAD", Files, "headFile", "Says what GET would answer, without the bytes.",
            context => reads.HandleAsync(context, PathOf(context, ApiRoutes.Files)))
        {
            Access = ApiAccess.Read,
            Tag = "files",
            Parameters = reading,
            Statuses = [200, 206, 304],
        };
    }

    private IEnumerable<ApiOperation> Writes()
    {
        yield return new ApiOperation(
            "PUT", Files, "writeFile",
            "Replaces or creates a file, or with Content-Range writes in place; durable when answered.",
            context => writes.PutAsync(context, PathOf(context, ApiRoutes.Files)))
        {
            Access = ApiAccess.Write,
            Tag = "files",
            BodyMedia = "application/octet-stream",
            Statuses = [201, 204],
            Parameters =
            [
                _ifMatch,
                new("If-None-Match", ApiParameterPlace.Header, "string", "'*': there must be nothing at the path."),
                new(
                    "Content-Range", ApiParameterPlace.Header, "string",
                    "bytes FIRST-LAST/*: write there, keep the rest."),
                new("mode", ApiParameterPlace.Query, "string", "Permission bits of a new file, octal. Default 0644."),
                new("parents", ApiParameterPlace.Query, "boolean", "Make missing parent folders."),
                new(
                    "create",
                    ApiParameterPlace.Query,
                    "boolean",
                    "With Content-Range: make the file if it is absent."
                ),
            ],
        };
        yield return new ApiOperation(
            "DELETE", Files, "remove", "Removes a file, link or folder.",
            context => writes.DeleteAsync(context, PathOf(context, ApiRoutes.Files)))
        {
            Access = ApiAccess.Write,
            Tag = "files",
            Statuses = [204],
            Parameters =
            [
                _ifMatch,
                new("recursive", ApiParameterPlace.Query, "boolean", "A folder with all that is in it."),
            ],
        };
    }

    private IEnumerable<ApiOperation> Listings()
    {
        yield return new ApiOperation(
            "GET", ApiRoutes.Directories + "/{**path}", "listDirectory", "Lists a folder, page by page.", ListAsync)
        {
            Access = ApiAccess.Read,
            Answer = typeof(DirectoryPage),
            Parameters =
            [
                new("after", ApiParameterPlace.Query, "string", "Only names after this one."),
                new(
                    "limit", ApiParameterPlace.Query, "integer",
                    $"At most so many entries, 1 to {MaxPageEntries}. Default {DefaultPageEntries}."),
            ],
        };
        yield return new ApiOperation(
            "GET", ApiRoutes.Stat + "/{**path}", "stat", "The attributes of a path; with detail=true a FileDetail.",
            StatAsync)
        {
            Access = ApiAccess.Read,
            Answer = typeof(FileStatus),
            Parameters =
            [
                new("detail", ApiParameterPlace.Query, "boolean", "Add tier, placement, residency, object and heat."),
                new("follow", ApiParameterPlace.Query, "boolean", "Follow a symbolic link at the end. Default true."),
            ],
        };
    }

    private IEnumerable<ApiOperation> Names()
    {
        yield return Command("mkdir", "Makes a folder.", typeof(MakeDirectoryCommand), MakeDirectoryAsync);
        yield return Command("rename", "Renames in one transaction.", typeof(RenameCommand), RenameAsync);
        yield return Command("link", "Gives a file another name.", typeof(LinkCommand), LinkAsync);
        yield return Command(
            "clone", "Makes a file with the content of another, shared where it can be.", typeof(CloneCommand),
            CloneAsync);
        yield return Command("symlink", "Makes a symbolic link.", typeof(SymbolicLinkCommand), SymbolicLinkAsync);
        yield return Command("truncate", "Sets a file's length.", typeof(TruncateCommand), TruncateAsync);
        yield return Command(
            "attributes", "Changes mode, owner and times.", typeof(AttributesCommand), SetAttributesAsync);
    }

    private IEnumerable<ApiOperation> Xattrs()
    {
        const string Route = ApiRoutes.Xattrs + "/{**path}";
        ApiParameter name = new(
            "name", ApiParameterPlace.Query, "string", "The attribute, as user.origin.", Required: true);
        yield return new ApiOperation(
            "GET", Route, "getXattr", "Lists the extended attributes, or with name reads one.", GetXattrAsync)
        {
            Access = ApiAccess.Read,
            Tag = "xattrs",
            Answer = typeof(XattrList),
            Parameters = [name with { Required = false }],
        };
        yield return new ApiOperation(
            "PUT", Route, "setXattr", "Sets an extended attribute to the body.", SetXattrAsync)
        {
            Access = ApiAccess.Write,
            Tag = "xattrs",
            BodyMedia = "application/octet-stream",
            Statuses = [204],
            Parameters =
            [
                name,
                new(
                    "condition", ApiParameterPlace.Query, "string",
                    "'create': it must be absent; 'replace': it must be there."),
            ],
        };
        yield return new ApiOperation(
            "DELETE", Route, "removeXattr", "Removes an extended attribute.", RemoveXattrAsync)
        {
            Access = ApiAccess.Write,
            Tag = "xattrs",
            Statuses = [204],
            Parameters = [name],
        };
    }

    private async Task ListAsync(HttpContext context)
    {
        string path = PathOf(context, ApiRoutes.Directories);
        int limit = RequestTarget.Count(context, "limit", DefaultPageEntries, 1, MaxPageEntries);
        string? after = RequestTarget.Text(context, "after");
        IReadOnlyList<DirectoryEntry> entries = await node.Engine.ListAsync(
            path, after, limit, context.RequestAborted);
        FileStatus[] statuses = new FileStatus[entries.Count];
        for (int i = 0; i < statuses.Length; i++)
        {
            statuses[i] = WireReports.ToStatus(entries[i].Name, entries[i].Attributes);
        }

        DirectoryPage page = new()
        {
            Path = path,
            Entries = statuses,
            Next = statuses.Length == limit ? statuses[^1].Name : null,
        };
        await ApiJson.WriteAsync(context, page, ProtocolJson.Default.DirectoryPage);
    }

    private async Task StatAsync(HttpContext context)
    {
        string path = PathOf(context, ApiRoutes.Stat);
        if (RequestTarget.Flag(context, "detail"))
        {
            FileDescription description = await node.Engine.DescribeAsync(path, context.RequestAborted);
            await ApiJson.WriteAsync(context, WireReports.ToDetail(description), ProtocolJson.Default.FileDetail);
            return;
        }

        bool follow = RequestTarget.Flag(context, "follow", fallback: true);
        InodeAttributes attributes = await node.Engine.StatAsync(path, follow, context.RequestAborted);
        await WriteStatusAsync(context, path, attributes);
    }

    private async Task MakeDirectoryAsync(HttpContext context)
    {
        MakeDirectoryCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.MakeDirectoryCommand);
        RequestCaller.DemandPath(context, command.Path);
        CheckMode(command.Mode);
        InodeAttributes made = await node.Engine.MakeDirectoryAsync(
            command.Path, command.Mode, command.Parents, context.RequestAborted);
        await WriteStatusAsync(context, command.Path, made);
    }

    private async Task RenameAsync(HttpContext context)
    {
        RenameCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.RenameCommand);
        RequestCaller.DemandPath(context, command.From);
        RequestCaller.DemandPath(context, command.To);
        if (command is { NoReplace: true, Exchange: true })
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, "noReplace and exchange exclude each other: give one of them.");
        }

        RenameFlags flags =
            command.NoReplace ? RenameFlags.NoReplace
            : command.Exchange ? RenameFlags.Exchange
            : RenameFlags.None;
        InodeAttributes moved = await node.Engine.RenameAsync(
            command.From, command.To, flags, context.RequestAborted);
        await WriteStatusAsync(context, command.To, moved);
    }

    private async Task CloneAsync(HttpContext context)
    {
        CloneCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.CloneCommand);
        RequestCaller.DemandPath(context, command.From);
        RequestCaller.DemandPath(context, command.To);
        CloneOptions options = new()
        {
            IfAbsent = command.NoReplace,
            MakeParents = command.Parents,
            KeepAttributes = command.KeepAttributes,
        };
        InodeAttributes made = await node.Engine.CloneFileAsync(
            command.From, command.To, options, context.RequestAborted);
        await WriteStatusAsync(context, command.To, made);
    }

    private async Task LinkAsync(HttpContext context)
    {
        LinkCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.LinkCommand);
        RequestCaller.DemandPath(context, command.Existing);
        RequestCaller.DemandPath(context, command.Path);
        InodeAttributes linked = await node.Engine.LinkAsync(command.Existing, command.Path, context.RequestAborted);
        await WriteStatusAsync(context, command.Path, linked);
    }

    private async Task SymbolicLinkAsync(HttpContext context)
    {
        SymbolicLinkCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.SymbolicLinkCommand);
        RequestCaller.DemandPath(context, command.Path);
        if (
            command.Target.Contains('\0')
            || command.Target.Length == 0
            || Encoding.UTF8.GetByteCount(command.Target) > TreePath.MaxPathBytes)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"The target has {command.Target.Length} characters: "
                + $"give 1 to {TreePath.MaxPathBytes} bytes without NUL."
            );
        }

        InodeAttributes made = await node.Engine.MakeSymbolicLinkAsync(
            command.Path, command.Target, context.RequestAborted);
        await WriteStatusAsync(context, command.Path, made);
    }

    private async Task TruncateAsync(HttpContext context)
    {
        TruncateCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.TruncateCommand);
        RequestCaller.DemandPath(context, command.Path);
        if (command.SizeBytes < 0)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"sizeBytes is {command.SizeBytes}: give 0 or more.");
        }

        OpenFile file = await node.Engine.OpenFileAsync(command.Path, write: true, context.RequestAborted);
        await using (file)
        {
            await file.TruncateAsync(command.SizeBytes, context.RequestAborted);
            InodeAttributes attributes = await file.FlushAsync(CancellationToken.None);
            await WriteStatusAsync(context, command.Path, attributes);
        }
    }

    private async Task SetAttributesAsync(HttpContext context)
    {
        AttributesCommand command = await ApiJson.ReadAsync(context, ProtocolJson.Default.AttributesCommand);
        RequestCaller.DemandPath(context, command.Path);
        CheckMode(command.Mode ?? 0);
        AttributeChanges changes = new()
        {
            Mode = command.Mode,
            UserId = command.UserId,
            GroupId = command.GroupId,
            AccessTimeNanoseconds = command.AccessTimeNanoseconds,
            ModifyTimeNanoseconds = command.ModifyTimeNanoseconds,
        };
        InodeAttributes changed = await node.Engine.SetAttributesAsync(command.Path, changes, context.RequestAborted);
        await WriteStatusAsync(context, command.Path, changed);
    }

    private async Task GetXattrAsync(HttpContext context)
    {
        string path = PathOf(context, ApiRoutes.Xattrs);
        if (RequestTarget.Text(context, "name") is null)
        {
            IReadOnlyList<string> names = await node.Engine.ListXattrsAsync(path, context.RequestAborted);
            await ApiJson.WriteAsync(
                context, new XattrList { Path = path, Names = names }, ProtocolJson.Default.XattrList);
            return;
        }

        string name = XattrNameOf(context);
        byte[] value =
            await node.Engine.GetXattrAsync(path, name, context.RequestAborted)
            ?? throw new DataLayerException(ErrorCode.NotFound, $"'{path}' has no extended attribute '{name}'.");
        context.Response.ContentType = "application/octet-stream";
        context.Response.ContentLength = value.Length;
        await context.Response.Body.WriteAsync(value, context.RequestAborted);
    }

    private async Task SetXattrAsync(HttpContext context)
    {
        string path = PathOf(context, ApiRoutes.Xattrs);
        string name = XattrNameOf(context);
        DemandQuota(context, name);
        XattrCondition condition = RequestTarget.Text(context, "condition") switch
        {
            null or "" or "none" => XattrCondition.None,
            "create" => XattrCondition.Create,
            "replace" => XattrCondition.Replace,
            string other => throw new DataLayerException(
                ErrorCode.InvalidArgument, $"condition is '{other}': give create or replace."),
        };
        using MemoryStream value = new();
        byte[] buffer = new byte[4096];
        int count;
        while ((count = await context.Request.Body.ReadAsync(buffer, context.RequestAborted)) > 0)
        {
            value.Write(buffer, 0, count);
            if (value.Length > MaxXattrBytes)
            {
                throw new DataLayerException(
                    ErrorCode.InvalidArgument, $"The value is longer than {MaxXattrBytes} bytes.");
            }
        }

        await node.Engine.SetXattrAsync(path, name, value.ToArray(), condition, context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    private async Task RemoveXattrAsync(HttpContext context)
    {
        string path = PathOf(context, ApiRoutes.Xattrs);
        string name = XattrNameOf(context);
        DemandQuota(context, name);
        await node.Engine.RemoveXattrAsync(path, name, context.RequestAborted);
        context.Response.StatusCode = StatusCodes.Status204NoContent;
    }

    /// <summary>Quotas are given by who administers, not by who is bound by them.</summary>
    /// <exception cref="DataLayerException">PermissionDenied.</exception>
    private static void DemandQuota(HttpContext context, string xattr)
    {
        if (TreeStore.IsQuotaAttribute(xattr) && RequestCaller.Of(context).Role != TokenRole.Admin)
        {
            throw new DataLayerException(
                ErrorCode.PermissionDenied, $"'{xattr}' is a folder's quota: only an admin's token may change it.");
        }
    }

    private static string XattrNameOf(HttpContext context)
    {
        string name = RequestTarget.RequiredText(context, "name");
        return Encoding.UTF8.GetByteCount(name) <= MaxXattrNameBytes && !name.Contains('\0')
            ? name
            : throw new DataLayerException(
                ErrorCode.InvalidArgument,
                $"name has {name.Length} characters: give at most {MaxXattrNameBytes} bytes without NUL.");
    }

    private static void CheckMode(int mode)
    {
        if (mode is < 0 or > 0xFFF)
        {
            throw new DataLayerException(
                ErrorCode.InvalidArgument, $"mode is {mode}: give 0 to 4095 (07777 in octal).");
        }
    }

    private static string PathOf(HttpContext context, string prefix) => RequestTarget.TreePathOf(context, prefix);

    private static Task WriteStatusAsync(HttpContext context, string path, InodeAttributes attributes) =>
        ApiJson.WriteAsync(
            context, WireReports.ToStatus(TreePath.NameOf(path), attributes), ProtocolJson.Default.FileStatus);

    private static ApiOperation Command(string name, string summary, Type body, RequestDelegate handler) =>
        new("POST", $"{ApiRoutes.Operations}/{name}", name, summary, handler)
        {
            Access = ApiAccess.Write,
            Body = body,
            Answer = typeof(FileStatus),
        };
}
