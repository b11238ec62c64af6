namespace DataLayer.Engine.Files.Nodes;

/// <summary>Who makes an inode.</summary>
/// <param name="Mode">Permission bits, the umask applied.</param>
/// <param name="UserId">Owner.</param>
/// <param name="GroupId">Owning group; below a setgid folder the folder's is taken.</param>
public readonly record struct NodeOwner(int Mode, int UserId, int GroupId);
