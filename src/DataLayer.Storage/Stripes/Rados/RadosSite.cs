using DataLayer.Core.Errors;
using DataLayer.Storage.Interop;

namespace DataLayer.Storage.Stripes.Rados;

/// <summary>A namespace of a pool that is or becomes a target. Records are objects in it.</summary>
internal sealed class RadosSite(RadosAddress address, RadosTargetOptions options) : ITargetSite
{
    private const int MaxBytes = 1 << 20;
    private readonly RadosConnection _connection = new(address, options.WaitLimit, options.Time);

    /// <inheritdoc/>
    public string Location => address.Text;

    /// <inheritdoc/>
    public void Prepare() => _ = _connection.GetPool();

    /// <inheritdoc/>
    public byte[]? TryRead(string name)
    {
        RadosPoolHandle pool = _connection.GetPool();
        byte[] buffer = GC.AllocateUninitializedArray<byte>(MaxBytes, pinned: true);
        using RadosRead read = new(pieceLimit: 1);
        int piece = read.Piece(0, buffer);
        int result = Wait(RadosCall.ReadAsync(pool, name, read, CancellationToken.None));
        if (result == -Errno.NoEntry)
        {
            return null;
        }

        _connection.ThrowIf(result, $"read of '{name}'");
        return buffer[..read.PieceLength(piece)];
    }

    /// <inheritdoc/>
    public void Write(string name, ReadOnlySpan<byte> text, bool replace)
    {
        RadosPoolHandle pool = _connection.GetPool();
        using RadosWrite write = new();
        write.Create(exclusive: !replace).WriteFull(text);
        int result = Wait(RadosCall.WriteAsync(pool, name, write));
        if (result == -Errno.Exists)
        {
            throw new DataLayerException(ErrorCode.AlreadyExists,
                $"'{Location}' got a '{name}' from somebody else in this moment. Try again.");
        }

        _connection.ThrowIf(result, $"write of '{name}'");
    }

    /// <inheritdoc/>
    public void Delete(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            using RadosWrite write = new();
            write.Remove();
            int result = Wait(RadosCall.WriteAsync(_connection.GetPool(), name, write));
            _connection.ThrowIf(result == -Errno.NoEntry ? 0 : result, $"removal of '{name}'");
        }
    }

    /// <inheritdoc/>
    public void CheckEmpty()
    {
        foreach (string name in _connection.List())
        {
            if (name != TargetRoster.FileName)
            {
                throw new DataLayerException(ErrorCode.InvalidArgument,
                    $"'{Location}' holds objects ('{name}') and has no '{TargetIdentity.FileName}'. Name another "
                        + "namespace.");
            }
        }
    }

    /// <inheritdoc/>
    public ITarget MakeTarget(TargetIdentity identity, PoolOptions pool) => new RadosTarget(
        identity, this, _connection, options with { ReserveBytes = pool.ReserveBytes });

    public void Dispose() => _connection.Dispose();

    private static int Wait(Task<int> call) => call.GetAwaiter().GetResult();
}
