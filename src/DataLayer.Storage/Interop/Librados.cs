using System.Runtime.InteropServices;
using DataLayer.Core.Errors;

namespace DataLayer.Storage.Interop;

/// <summary>
/// The calls of Ceph's client library, as rados/librados.h declares them: results are 0 or more, or a negative errno.
/// Loaded at the first use; a service without RADOS targets runs where it is not installed (docs/decisions/0242).
/// </summary>
/// <remarks>Calls named <c>Aio…</c> return at once and answer through a completion; of the others those that reach the
/// cluster block, as long as the timeouts of <c>RadosConnection</c> allow.</remarks>
internal static unsafe partial class Librados
{
    internal const string Library = "librados.so.2";

    /// <summary>LIBRADOS_CREATE_EXCLUSIVE.</summary>
    internal const int CreateExclusive = 1;

    /// <summary>LIBRADOS_CMPXATTR_OP_EQ.</summary>
    internal const byte CompareEqual = 1;

    /// <summary>LIBRADOS_OPERATION_NOFLAG.</summary>
    internal const int NoFlags = 0;

    private static readonly Lazy<bool> _isThere = new(static () => NativeLibrary.TryLoad(Library, out _));

    /// <summary>Refuses to go on without the library.</summary>
    /// <exception cref="DataLayerException">NotSupported, with what to install.</exception>
    internal static void Demand()
    {
        if (!_isThere.Value)
        {
            throw new DataLayerException(ErrorCode.NotSupported,
                $"A RADOS target needs {Library}, which cannot be loaded. Install Ceph's client library (Debian and "
                    + "Ubuntu: 'apt-get install librados2', Fedora: 'dnf install librados2') and restart the service.");
        }
    }

    [LibraryImport(Library, EntryPoint = "rados_create", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Create(out RadosClusterHandle cluster, string id);

    [LibraryImport(Library, EntryPoint = "rados_conf_read_file", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int ReadConfiguration(RadosClusterHandle cluster, string path);

    [LibraryImport(Library, EntryPoint = "rados_conf_set", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int Configure(RadosClusterHandle cluster, string option, string value);

    [LibraryImport(Library, EntryPoint = "rados_connect")]
    internal static partial int Connect(RadosClusterHandle cluster);

    [LibraryImport(Library, EntryPoint = "rados_shutdown")]
    internal static partial void Shutdown(nint cluster);

    [LibraryImport(Library, EntryPoint = "rados_getaddrs")]
    internal static partial int GetAddresses(RadosClusterHandle cluster, out nint addresses);

    [LibraryImport(Library, EntryPoint = "rados_buffer_free")]
    internal static partial void FreeBuffer(nint buffer);

    [LibraryImport(Library, EntryPoint = "rados_mon_command")]
    internal static partial int CommandMonitor(
        RadosClusterHandle cluster, byte** commands, nuint commandCount, byte* input, nuint inputLength,
        out nint output, out nuint outputLength, out nint status, out nuint statusLength);

    [LibraryImport(Library, EntryPoint = "rados_ioctx_create", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int OpenPool(RadosClusterHandle cluster, string pool, out RadosPoolHandle handle);

    [LibraryImport(Library, EntryPoint = "rados_ioctx_destroy")]
    internal static partial void ClosePool(nint pool);

    [LibraryImport(Library, EntryPoint = "rados_ioctx_set_namespace", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial void SetNamespace(RadosPoolHandle pool, string name);

    /// <summary>A write to a full pool fails instead of waiting for room.</summary>
    [LibraryImport(Library, EntryPoint = "rados_set_pool_full_try")]
    internal static partial void FailWhenFull(RadosPoolHandle pool);

    [LibraryImport(Library, EntryPoint = "rados_nobjects_list_open")]
    internal static partial int OpenListing(RadosPoolHandle pool, out RadosListingHandle listing);

    [LibraryImport(Library, EntryPoint = "rados_nobjects_list_next2")]
    internal static partial int NextListed(
        RadosListingHandle listing, out nint entry, out nint key, out nint space, out nuint entrySize,
        out nuint keySize, out nuint spaceSize);

    [LibraryImport(Library, EntryPoint = "rados_nobjects_list_close")]
    internal static partial void CloseListing(nint listing);

    [LibraryImport(Library, EntryPoint = "rados_aio_create_completion2")]
    internal static partial int CreateCompletion(
        nint argument, delegate* unmanaged[Cdecl]<nint, nint, void> done, out RadosCompletionHandle completion);

    [LibraryImport(Library, EntryPoint = "rados_aio_get_return_value")]
    internal static partial int GetResult(nint completion);

    [LibraryImport(Library, EntryPoint = "rados_aio_release")]
    internal static partial void ReleaseCompletion(nint completion);

    [LibraryImport(Library, EntryPoint = "rados_aio_cancel")]
    internal static partial int AioCancel(RadosPoolHandle pool, RadosCompletionHandle completion);

    [LibraryImport(Library, EntryPoint = "rados_create_write_op")]
    internal static partial RadosWriteHandle CreateWrite();

    [LibraryImport(Library, EntryPoint = "rados_release_write_op")]
    internal static partial void ReleaseWrite(nint operation);

    [LibraryImport(Library, EntryPoint = "rados_write_op_create")]
    internal static partial void AddCreate(RadosWriteHandle operation, int exclusive, nint category);

    [LibraryImport(Library, EntryPoint = "rados_write_op_assert_exists")]
    internal static partial void AddAssertExists(RadosWriteHandle operation);

    [LibraryImport(Library, EntryPoint = "rados_write_op_cmpxattr", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial void AddCompare(
        RadosWriteHandle operation, string name, byte comparison, byte* value, nuint length);

    [LibraryImport(Library, EntryPoint = "rados_write_op_setxattr", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial void AddSetAttribute(RadosWriteHandle operation, string name, byte* value, nuint length);

    [LibraryImport(Library, EntryPoint = "rados_write_op_rmxattr", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial void AddRemoveAttribute(RadosWriteHandle operation, string name);

    /// <summary>Copies the buffer.</summary>
    [LibraryImport(Library, EntryPoint = "rados_write_op_write")]
    internal static partial void AddWrite(RadosWriteHandle operation, byte* bytes, nuint length, ulong offset);

    /// <summary>Copies the buffer.</summary>
    [LibraryImport(Library, EntryPoint = "rados_write_op_write_full")]
    internal static partial void AddWriteFull(RadosWriteHandle operation, byte* bytes, nuint length);

    /// <summary>Copies the buffer.</summary>
    [LibraryImport(Library, EntryPoint = "rados_write_op_append")]
    internal static partial void AddAppend(RadosWriteHandle operation, byte* bytes, nuint length);

    [LibraryImport(Library, EntryPoint = "rados_write_op_remove")]
    internal static partial void AddRemove(RadosWriteHandle operation);

    [LibraryImport(Library, EntryPoint = "rados_write_op_truncate")]
    internal static partial void AddTruncate(RadosWriteHandle operation, ulong offset);

    [LibraryImport(Library, EntryPoint = "rados_write_op_zero")]
    internal static partial void AddZero(RadosWriteHandle operation, ulong offset, ulong length);

    [LibraryImport(Library, EntryPoint = "rados_aio_write_op_operate", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int AioWrite(
        RadosWriteHandle operation, RadosPoolHandle pool, RadosCompletionHandle completion, string name, nint time,
        int flags);

    [LibraryImport(Library, EntryPoint = "rados_create_read_op")]
    internal static partial RadosReadHandle CreateRead();

    [LibraryImport(Library, EntryPoint = "rados_release_read_op")]
    internal static partial void ReleaseRead(nint operation);

    [LibraryImport(Library, EntryPoint = "rados_read_op_stat")]
    internal static partial void AddStat(RadosReadHandle operation, ulong* size, long* time, int* result);

    /// <summary>The buffer and both results are written until the completion is done.</summary>
    [LibraryImport(Library, EntryPoint = "rados_read_op_read")]
    internal static partial void AddRead(
        RadosReadHandle operation, ulong offset, nuint length, byte* buffer, nuint* read, int* result);

    /// <summary>The iterator is made at once and filled when the completion is done.</summary>
    [LibraryImport(Library, EntryPoint = "rados_read_op_getxattrs")]
    internal static partial void AddGetAttributes(RadosReadHandle operation, nint* iterator, int* result);

    [LibraryImport(Library, EntryPoint = "rados_getxattrs_next")]
    internal static partial int NextAttribute(nint iterator, out nint name, out nint value, out nuint length);

    [LibraryImport(Library, EntryPoint = "rados_getxattrs_end")]
    internal static partial void EndAttributes(nint iterator);

    [LibraryImport(Library, EntryPoint = "rados_aio_read_op_operate", StringMarshalling = StringMarshalling.Utf8)]
    internal static partial int AioRead(
        RadosReadHandle operation, RadosPoolHandle pool, RadosCompletionHandle completion, string name, int flags);
}
