using System.Buffers;
using System.Globalization;
using System.Net;
using System.Runtime.CompilerServices;
using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Protocol.Http;

namespace DataLayer.Client;

/// <summary>
/// Reads and writes the tree through the service's HTTP API. One client for a process is enough: it keeps its
/// connections and
/// is safe for concurrent use. Every fault is a <see cref="DataLayerException"/> with the code the service gave;
/// <see cref="ErrorCode.OriginUnavailable"/> with an inner exception where the service itself cannot be reached.
/// </summary>
/// <remarks>
/// Bodies go straight from the connection into the caller's memory. Reads, listings and checks are tried again after
/// failures that
/// may pass; writes and commands only where the service certainly did not execute them.
/// </remarks>
public sealed class DataLayerClient : IDisposable
{
    private const int CopyBufferBytes = 256 << 10;
    private readonly ApiConnection _connection;

    /// <summary>
    /// Makes a client of the service at <paramref name="server"/>: <c>http://host:port</c>, <c>host:port</c> or
    /// <c>unix:/path</c>.
    /// </summary>
    public DataLayerClient(string server)
        : this(DataLayerClientOptions.Parse(server)) { }

    /// <summary>Makes a client.</summary>
    /// <exception cref="DataLayerException"><see cref="ErrorCode.InvalidArgument"/>: an option is out of
    /// range.</exception>
    public DataLayerClient(DataLayerClientOptions options)
        : this(options, handler: null) { }

    internal DataLayerClient(DataLayerClientOptions options, HttpMessageHandler? handler)
    {
        ArgumentNullException.ThrowIfNull(options);
        _connection = new ApiConnection(options, handler);
        Admin = new AdminClient(_connection);
        Jobs = new JobClient(_connection);
        Datasets = new DatasetClient(_connection, Admin);
    }

    /// <summary>Attachments, tiers, targets and upkeep.</summary>
    public AdminClient Admin { get; }

    /// <summary>Jobs and schedules.</summary>
    public JobClient Jobs { get; }

    /// <summary>Datasets, their samples and orders.</summary>
    public DatasetClient Datasets { get; }

    /// <summary>Where the service is, for messages.</summary>
    public string ServerName => _connection.DisplayName;

    // ---- reads -------------------------------------------------------------------------------------------------

    /// <summary>Opens a file for positional reads and writes of the content it has now.</summary>
    /// <exception cref="DataLayerException">NotFound, IsADirectory, …</exception>
    public async ValueTask<RemoteFile> OpenAsync(string path, CancellationToken cancellationToken = default)
    {
        FileStatus status = await StatAsync(path, followLast: true, cancellationToken).ConfigureAwait(false);
        return status.Kind == FileKind.Directory
            ? throw new DataLayerException(ErrorCode.IsADirectory, $"'{path}' is a folder.")
            : new RemoteFile(this, path, status);
    }

    /// <summary>Reads a whole file in one request into a rented buffer; dispose the result.</summary>
    /// <exception cref="DataLayerException">NotFound, IsADirectory, FileTooLarge (over 2 GiB: read it in parts),
    /// …</exception>
    public async ValueTask<FileBytes> ReadFileAsync(string path, CancellationToken cancellationToken = default)
    {
        ApiRequest request = new(HttpMethod.Get, ApiRoutes.Files + TreePath.Encode(path))
        {
            Retry = RetryMode.Always,
        };
        using Deadline deadline = new(_connection.RequestTimeout, cancellationToken);
        for (int retry = 0; ; retry++)
        {
            byte[] buffer = [];
            try
            {
                using HttpResponseMessage response = await _connection
                    .SendAsync(request, deadline.Token)
                    .ConfigureAwait(false);
                int length = GetLength(response, path);
                buffer = length == 0 ? [] : ArrayPool<byte>.Shared.Rent(length);
                await ReadBodyAsync(response, buffer.AsMemory(0, length), deadline.Token).ConfigureAwait(false);
                FileBytes bytes = new(buffer, length, GetEntityTag(response));
                buffer = [];
                return bytes;
            }
            catch (OperationCanceledException) when (deadline.Expired)
            {
                throw deadline.ToException(request.Target);
            }
            catch (Exception e) when (e is IOException or HttpRequestException)
            {
                if (!await _connection.WaitBeforeBodyRetryAsync(retry, cancellationToken).ConfigureAwait(false))
                {
                    throw _connection.Unreachable(e);
                }
            }
            finally
            {
                if (buffer.Length > 0)
                {
                    ArrayPool<byte>.Shared.Return(buffer);
                }
            }
        }
    }

    /// <summary>
    /// Reads at most <paramref name="destination"/>.Length bytes of a file from <paramref name="offsetBytes"/> into
    /// the caller's
    /// memory; fewer only at the end, 0 past it.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="offsetBytes">The first byte wanted.</param>
    /// <param name="destination">Where the bytes go; not written after the call ended.</param>
    /// <param name="ifMatch">The entity tag the content must have, or null.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>How many bytes were read.</returns>
    /// <exception cref="DataLayerException">Stale where <paramref name="ifMatch"/> does not hold; NotFound,
    /// IsADirectory, …</exception>
    public async ValueTask<int> ReadAtAsync(
        string path, long offsetBytes, Memory<byte> destination, string? ifMatch = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        if (destination.IsEmpty)
        {
            return 0;
        }

        ApiRequest request = new(HttpMethod.Get, ApiRoutes.Files + TreePath.Encode(path))
        {
            Retry = RetryMode.Always,
            RangeStart = offsetBytes,
            RangeLength = destination.Length,
            IfMatch = ifMatch,
        };
        using Deadline deadline = new(_connection.RequestTimeout, cancellationToken);
        for (int retry = 0; ; retry++)
        {
            try
            {
                using HttpResponseMessage response = await _connection
                    .SendAsync(request, deadline.Token, allowRangePastEnd: true)
                    .ConfigureAwait(false);
                if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
                {
                    return 0;
                }

                int length = GetLength(response, path);
                if (length > destination.Length || response.StatusCode != HttpStatusCode.PartialContent)
                {
                    throw new DataLayerException(
                        ErrorCode.Internal, $"{ServerName} ignored the range asked of '{path}'.");
                }

                await ReadBodyAsync(response, destination[..length], deadline.Token).ConfigureAwait(false);
                return length;
            }
            catch (OperationCanceledException) when (deadline.Expired)
            {
                throw deadline.ToException(request.Target);
            }
            catch (Exception e) when (e is IOException or HttpRequestException)
            {
                if (!await _connection.WaitBeforeBodyRetryAsync(retry, cancellationToken).ConfigureAwait(false))
                {
                    throw _connection.Unreachable(e);
                }
            }
        }
    }

    /// <summary>
    /// Copies a file, or a range of it, to a stream, front to back. Not tried again once bytes were written.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="destination">Where the bytes go.</param>
    /// <param name="offsetBytes">The first byte.</param>
    /// <param name="lengthBytes">How many, or null for all to the end.</param>
    /// <param name="progress">Told the bytes copied so far, or null.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The bytes copied.</returns>
    public async ValueTask<long> DownloadAsync(
        string path, Stream destination, long offsetBytes = 0, long? lengthBytes = null,
        IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(destination);
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        if (lengthBytes == 0)
        {
            return 0;
        }

        bool whole = offsetBytes == 0 && lengthBytes is null;
        ApiRequest request = new(HttpMethod.Get, ApiRoutes.Files + TreePath.Encode(path))
        {
            Retry = RetryMode.Always,
            RangeStart = whole ? -1 : offsetBytes,
            RangeLength = lengthBytes ?? -1,
        };
        using HttpResponseMessage response = await _connection
            .SendAsync(request, cancellationToken, allowRangePastEnd: true)
            .ConfigureAwait(false);
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            return 0;
        }

        byte[] buffer = ArrayPool<byte>.Shared.Rent(CopyBufferBytes);
        try
        {
            Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
            long copied = 0;
            while (true)
            {
                int count = await ReadSomeAsync(body, buffer, cancellationToken).ConfigureAwait(false);
                if (count == 0)
                {
                    return copied;
                }

                await destination.WriteAsync(buffer.AsMemory(0, count), cancellationToken).ConfigureAwait(false);
                copied += count;
                progress?.Report(copied);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    /// <summary>
    /// The attributes of a path; symbolic links are followed unless <paramref name="followLast"/> is false.
    /// </summary>
    public async ValueTask<FileStatus> StatAsync(
        string path, bool followLast = true, CancellationToken cancellationToken = default) =>
        await GetJsonAsync(
                ApiRoutes.Stat + TreePath.Encode(path) + (followLast ? string.Empty : "?follow=false"),
                ProtocolJson.Default.FileStatus,
                cancellationToken
            )
            .ConfigureAwait(false);

    /// <summary>The attributes of a path, or null if there is nothing.</summary>
    public async ValueTask<FileStatus?> TryStatAsync(string path, CancellationToken cancellationToken = default)
    {
        ApiRequest request = new(HttpMethod.Get, ApiRoutes.Stat + TreePath.Encode(path)) { Retry = RetryMode.Always };
        using Deadline deadline = new(_connection.RequestTimeout, cancellationToken);
        try
        {
            using HttpResponseMessage response = await _connection
                .SendAsync(request, deadline.Token, allowMissing: true)
                .ConfigureAwait(false);
            return response.StatusCode == HttpStatusCode.NotFound
                ? null
                : await _connection
                    .ReadJsonAsync(response, ProtocolJson.Default.FileStatus, deadline.Token)
                    .ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (deadline.Expired)
        {
            throw deadline.ToException(request.Target);
        }
    }

    /// <summary>Everything the service knows of a path: tier, residency, object, heat.</summary>
    public ValueTask<FileDetail> DescribeAsync(string path, CancellationToken cancellationToken = default) =>
        GetJsonAsync(
            ApiRoutes.Stat + TreePath.Encode(path) + "?detail=true", ProtocolJson.Default.FileDetail,
            cancellationToken);

    /// <summary>One page of a folder's entries, in name order (UTF-8 bytes).</summary>
    /// <param name="path">The folder.</param>
    /// <param name="after">Only names after this one, or null for the first page.</param>
    /// <param name="limit">At most so many entries, 1 to 10,000.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    public ValueTask<DirectoryPage> ListPageAsync(
        string path, string? after = null, int limit = 1000, CancellationToken cancellationToken = default)
    {
        string target = string.Create(
            CultureInfo.InvariantCulture, $"{ApiRoutes.Directories}{TreePath.Encode(path)}?limit={limit}");
        return GetJsonAsync(
            after is null ? target : $"{target}&after={Uri.EscapeDataString(after)}",
            ProtocolJson.Default.DirectoryPage, cancellationToken);
    }

    /// <summary>A folder's entries, in name order, page by page as they are asked for.</summary>
    public async IAsyncEnumerable<FileStatus> ListAsync(
        string path, int pageSize = 1000, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        string? after = null;
        do
        {
            DirectoryPage page = await ListPageAsync(path, after, pageSize, cancellationToken).ConfigureAwait(false);
            foreach (FileStatus entry in page.Entries)
            {
                yield return entry;
            }

            after = page.Next;
        } while (after is not null);
    }

    // ---- writes ------------------------------------------------------------------------------------------------

    /// <summary>
    /// Writes a whole file from memory. Durable and visible as a whole when the task completes; nothing is visible
    /// before.
    /// </summary>
    /// <exception cref="DataLayerException">Stale or AlreadyExists where a condition failed; NotFound, NoSpace,
    /// ReadOnly, …</exception>
    public ValueTask<WriteOutcome> WriteFileAsync(
        string path, ReadOnlyMemory<byte> content, WriteOptions? options = null,
        CancellationToken cancellationToken = default)
    {
        // Without a condition a repeated replacement ends in the same content; with one, its own first try could make
        // it fail.
        bool conditional = options is { IfMatch: not null } or { IfAbsent: true };
        return PutAsync(
            path, () => new ReadOnlyMemoryContent(content), options,
            conditional ? RetryMode.WhenNotExecuted : RetryMode.Always, cancellationToken);
    }

    /// <summary>
    /// Writes a whole file from a stream, front to back, chunked where its length is not known. Not tried again.
    /// </summary>
    /// <exception cref="DataLayerException">Stale or AlreadyExists where a condition failed; NotFound, NoSpace,
    /// ReadOnly, …</exception>
    public ValueTask<WriteOutcome> WriteFileAsync(
        string path, Stream content, WriteOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(content);
        return PutAsync(
            path, () => new StreamContent(content, CopyBufferBytes), options, RetryMode.Never, cancellationToken);
    }

    /// <summary>
    /// Writes bytes into an existing file at an offset; durable when the task completes. Tried again: the same bytes
    /// go to the same place.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="offsetBytes">Where the first byte goes; a gap past the end reads as zeros.</param>
    /// <param name="content">The bytes, at least one.</param>
    /// <param name="ifMatch">The entity tag the file must have, or null. With one, the call is not tried again.</param>
    /// <param name="cancellationToken">Gives the call up; bytes written before that stay.</param>
    public async ValueTask<WriteOutcome> WriteAtAsync(
        string path, long offsetBytes, ReadOnlyMemory<byte> content, string? ifMatch = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offsetBytes);
        if (content.IsEmpty)
        {
            throw new ArgumentException("Give at least one byte.", nameof(content));
        }

        string range = string.Create(
            CultureInfo.InvariantCulture, $"bytes {offsetBytes}-{offsetBytes + content.Length - 1}/*");
        ApiRequest request = new(HttpMethod.Put, ApiRoutes.Files + TreePath.Encode(path))
        {
            Retry = ifMatch is null ? RetryMode.Always : RetryMode.WhenNotExecuted,
            IfMatch = ifMatch,
            Content = () =>
            {
                ReadOnlyMemoryContent body = new(content);
                body.Headers.TryAddWithoutValidation("Content-Range", range);
                return body;
            },
        };
        using HttpResponseMessage response = await _connection
            .SendAsync(request, cancellationToken)
            .ConfigureAwait(false);
        return new WriteOutcome(Created: false, GetEntityTag(response));
    }

    /// <summary>Removes a file, link or folder.</summary>
    /// <param name="path">What to remove.</param>
    /// <param name="recursive">A folder with all that is in it.</param>
    /// <param name="ifMatch">The entity tag the file must have, or null.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    public async ValueTask DeleteAsync(
        string path, bool recursive = false, string? ifMatch = null, CancellationToken cancellationToken = default)
    {
        string target = ApiRoutes.Files + TreePath.Encode(path) + (recursive ? "?recursive=true" : string.Empty);
        await _connection.DeleteAsync(target, cancellationToken, ifMatch).ConfigureAwait(false);
    }

    /// <summary>
    /// Makes a folder; with <paramref name="parents"/> also missing parents, and an existing folder is no error.
    /// </summary>
    public ValueTask MakeDirectoryAsync(
        string path, bool parents = false, int mode = 0x1ED, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            $"{ApiRoutes.Operations}/mkdir",
            new MakeDirectoryCommand
            {
                Path = path,
                Mode = mode,
                Parents = parents,
            },
            ProtocolJson.Default.MakeDirectoryCommand, parents ? RetryMode.Always : RetryMode.WhenNotExecuted,
            cancellationToken);

    /// <summary>Renames in one transaction, replacing what is at the new path unless the flags say otherwise.</summary>
    public ValueTask RenameAsync(
        string from,
        string to,
        RenameFlags flags = RenameFlags.None,
        CancellationToken cancellationToken = default
    ) =>
        _connection.SendAsync(
            $"{ApiRoutes.Operations}/rename",
            new RenameCommand
            {
                From = from,
                To = to,
                NoReplace = flags.HasFlag(RenameFlags.NoReplace),
                Exchange = flags.HasFlag(RenameFlags.Exchange),
            },
            ProtocolJson.Default.RenameCommand, RetryMode.WhenNotExecuted, cancellationToken);

    /// <summary>
    /// Makes a file with the content of another, inside the service: a large hot file is shared, not copied, and the
    /// first change of either copies it there. Replaces what is at the new path.
    /// </summary>
    /// <param name="from">The file.</param>
    /// <param name="to">The clone's path.</param>
    /// <param name="keepAttributes">Give it mode, owner, times and user attributes of the file too.</param>
    /// <param name="noReplace">Fail with AlreadyExists if the new path is taken.</param>
    /// <param name="cancellationToken">Gives up waiting.</param>
    public ValueTask CloneFileAsync(
        string from, string to, bool keepAttributes = false, bool noReplace = false,
        CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            $"{ApiRoutes.Operations}/clone",
            new CloneCommand { From = from, To = to, KeepAttributes = keepAttributes, NoReplace = noReplace },
            ProtocolJson.Default.CloneCommand, noReplace ? RetryMode.WhenNotExecuted : RetryMode.Always,
            cancellationToken);

    /// <summary>Gives a file another name.</summary>
    public ValueTask LinkAsync(string existing, string path, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            $"{ApiRoutes.Operations}/link", new LinkCommand { Existing = existing, Path = path },
            ProtocolJson.Default.LinkCommand, RetryMode.WhenNotExecuted, cancellationToken);

    /// <summary>Makes a symbolic link.</summary>
    public ValueTask MakeSymbolicLinkAsync(
        string path, string target, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            $"{ApiRoutes.Operations}/symlink", new SymbolicLinkCommand { Path = path, Target = target },
            ProtocolJson.Default.SymbolicLinkCommand, RetryMode.WhenNotExecuted, cancellationToken);

    /// <summary>Sets a file's length; a longer file reads as zeros past its old end.</summary>
    public ValueTask TruncateAsync(string path, long sizeBytes, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            $"{ApiRoutes.Operations}/truncate", new TruncateCommand { Path = path, SizeBytes = sizeBytes },
            ProtocolJson.Default.TruncateCommand, RetryMode.Always, cancellationToken);

    /// <summary>Changes attributes; null fields of the command stay as they are.</summary>
    public ValueTask SetAttributesAsync(AttributesCommand command, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            $"{ApiRoutes.Operations}/attributes", command, ProtocolJson.Default.AttributesCommand, RetryMode.Always,
            cancellationToken);

    /// <summary>fsync of a file: returns once data and metadata are durable.</summary>
    public ValueTask FlushAsync(string path, CancellationToken cancellationToken = default) =>
        _connection.SendAsync(
            $"{ApiRoutes.Operations}/flush", new FlushCommand { Path = path }, ProtocolJson.Default.FlushCommand,
            RetryMode.WhenNotExecuted, cancellationToken);

    /// <inheritdoc/>
    public void Dispose() => _connection.Dispose();

    // ---- inside ------------------------------------------------------------------------------------------------

    private async ValueTask<T> GetJsonAsync<T>(
        string target, System.Text.Json.Serialization.Metadata.JsonTypeInfo<T> type,
        CancellationToken cancellationToken)
        where T : class
    {
        using Deadline deadline = new(_connection.RequestTimeout, cancellationToken);
        try
        {
            return await _connection
                .SendAsync(new ApiRequest(HttpMethod.Get, target) { Retry = RetryMode.Always }, type, deadline.Token)
                .ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (deadline.Expired)
        {
            throw deadline.ToException(target);
        }
    }

    private async ValueTask<WriteOutcome> PutAsync(
        string path, Func<HttpContent> content, WriteOptions? options, RetryMode retry,
        CancellationToken cancellationToken)
    {
        string target = ApiRoutes.Files + TreePath.Encode(path);
        char separator = '?';
        if (options?.Mode is { } mode)
        {
            target += $"{separator}mode={Convert.ToString(mode, 8)}";
            separator = '&';
        }

        if (options is { MakeParents: true })
        {
            target += $"{separator}parents=true";
        }

        ApiRequest request = new(HttpMethod.Put, target)
        {
            Retry = retry,
            Content = content,
            IfMatch = options?.IfMatch,
            IfAbsent = options is { IfAbsent: true },
        };
        using HttpResponseMessage response = await _connection
            .SendAsync(request, cancellationToken)
            .ConfigureAwait(false);
        return new WriteOutcome(response.StatusCode == HttpStatusCode.Created, GetEntityTag(response));
    }

    private async ValueTask<int> ReadSomeAsync(Stream body, byte[] buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await body.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or HttpRequestException)
        {
            throw _connection.Unreachable(e);
        }
    }

    private static async ValueTask ReadBodyAsync(
        HttpResponseMessage response, Memory<byte> destination, CancellationToken cancellationToken)
    {
        if (destination.IsEmpty)
        {
            return;
        }

        Stream body = await response.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using (body.ConfigureAwait(false))
        {
            await body.ReadExactlyAsync(destination, cancellationToken).ConfigureAwait(false);
        }
    }

    private static int GetLength(HttpResponseMessage response, string path)
    {
        long length =
            response.Content.Headers.ContentLength
            ?? throw new DataLayerException(ErrorCode.Internal, $"The answer for '{path}' has no Content-Length.");
        return length <= Array.MaxLength
            ? (int)length
            : throw new DataLayerException(
                ErrorCode.FileTooLarge, $"'{path}' has {length} bytes: read it in parts with ReadAtAsync.");
    }

    private static string? GetEntityTag(HttpResponseMessage response) =>
        response.Headers.NonValidated.TryGetValues("ETag", out System.Net.Http.Headers.HeaderStringValues values)
            ? values.ToString().Trim('"')
            : null;
}
